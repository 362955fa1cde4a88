//! Runs of steps in which strokes stay on the device, against steps that return to the host after each.

use std::sync::Arc;

use clipdraw::clip::{Clip, ClipConfig};
use clipdraw::compute::graph::GraphMode;
use clipdraw::draw::objective::{CenterConstraint, Extent, PaletteSpec, Region, Term};
use clipdraw::draw::{
    DrawError, Drawing, Frame, Ink, Preset, Spec, Step, Stepper, WeightedPrompt, step_together,
};
use clipdraw::render::cpu::CpuRenderer;
use clipdraw::render::cuda::{KernelRenderer, Room};
use clipdraw::scene::start::random_strokes;
use clipdraw::scene::{Canvas, StrokeGradient, Strokes};
use proptest::prelude::*;
use tch::{Device, Kind};

use super::comparison::agreement;
use super::processor::Processor;

fn tiny(config: ClipConfig) -> Clip {
    Clip::random(config, 1, Device::Cpu, Kind::Float).unwrap()
}

fn spec(text: &str, steps: usize) -> Spec {
    Spec {
        prompts: vec![WeightedPrompt::new(text)],
        strokes: 24,
        steps,
        steps_per_frame: 4,
        seed: 3,
        canvas: Canvas {
            width: 96,
            height: 64,
            ..Canvas::default()
        },
        ..Spec::default()
    }
}

fn kernels(room: Room) -> KernelRenderer<Processor> {
    KernelRenderer::new(Processor::new(0), room)
}

/// Everything that was reported of a drawing.
#[derive(Debug, Default)]
struct Reports {
    steps: Vec<Step>,
    error: Option<DrawError>,
    /// The number of steps of each run.
    runs: Vec<usize>,
}

impl Reports {
    fn frames(&self) -> Vec<&Frame> {
        self.steps.iter().filter_map(Step::frame).collect()
    }

    fn is_over(&self) -> bool {
        self.error.is_some() || self.steps.last().is_some_and(Step::is_finished)
    }
}

/// Moves drawings together until all of them are over.
fn advance_to_the_end(stepper: &Stepper<&Clip>, mut drawings: Vec<Drawing>) -> Vec<Reports> {
    let mut reports: Vec<Reports> = drawings.iter().map(|_| Reports::default()).collect();
    while reports.iter().any(|reports| !reports.is_over()) {
        let (mut moving, mut own): (Vec<_>, Vec<_>) = drawings
            .iter_mut()
            .zip(&mut reports)
            .filter(|(_, reports)| !reports.is_over())
            .unzip();
        for (reports, advance) in own.iter_mut().zip(stepper.advance(&mut moving)) {
            reports.runs.push(advance.steps.len());
            reports.steps.extend(advance.steps);
            reports.error = advance.error;
        }
    }
    reports
}

fn draw_in_runs(clip: &Clip, room: Room, specs: &[Spec]) -> Vec<Reports> {
    let stepper = Stepper::with_renderer(clip, Box::new(kernels(room)), GraphMode::Auto);
    let start = |spec: &Spec| Drawing::start(clip, spec.clone()).unwrap();
    advance_to_the_end(&stepper, specs.iter().map(start).collect())
}

fn draw_step_by_step(clip: &Clip, spec: &Spec) -> Vec<Step> {
    let renderer = kernels(Room::default());
    let mut drawing = Drawing::start(clip, spec.clone()).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    while !steps.last().is_some_and(Step::is_finished) {
        let mut results = step_together(clip, &renderer, &mut [&mut drawing]);
        steps.push(results.pop().unwrap().unwrap());
    }
    steps
}

fn numbers(strokes: &Strokes) -> Vec<f32> {
    let (points, colors) = (strokes.points.as_flattened(), strokes.colors.as_flattened());
    [points, &strokes.half_widths, colors].concat()
}

/// The largest difference between the strokes of two frames, in pixels or units of color.
fn largest_difference(found: &Frame, expected: &Frame) -> f32 {
    assert_eq!(found.step, expected.step);
    let (found, expected) = (numbers(&found.strokes), numbers(&expected.strokes));
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|number| number.is_finite()));
    let pairs = found.iter().zip(&expected);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_run_moves_strokes_as_steps_on_the_host_do() {
    let clip = tiny(ClipConfig::tiny_transformer());
    // The last canvas is so large that its views are sampled from a pooled picture.
    for (preset, width) in [
        (Preset::ORIGINAL, 96),
        (Preset::COMPACT, 96),
        (Preset::ORIGINAL, 201),
    ] {
        let mut spec = spec("a", 11);
        spec.canvas.width = width;
        spec.preset = Some(preset);
        spec.objective.center = CenterConstraint {
            position: [0.3, 0.6],
            threshold: 10.0,
            power: 1.5,
            weight: 0.02,
        };
        let found = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
        let expected = draw_step_by_step(&clip, &spec);
        assert_eq!(found[0].runs, [4, 4, 3, 1]);
        assert_eq!(found[0].steps.len(), expected.len());
        let frames: Vec<_> = expected.iter().filter_map(Step::frame).collect();
        assert_eq!(found[0].frames().len(), frames.len());
        for (found, expected) in found[0].frames().into_iter().zip(frames) {
            // Moments that all colors share are added up in another order.
            let limit = if preset.colors_by_one_measure {
                1e-4
            } else {
                0.0
            };
            let difference = largest_difference(found, expected);
            assert!(difference <= limit, "step {}: {difference}", found.step);
        }
        for (found, expected) in found[0].steps.iter().zip(&expected) {
            assert_eq!(found.updates(), expected.updates());
            let (found, expected) = (found.losses(), expected.losses());
            for (found, expected) in found.terms().iter().zip(expected.terms()) {
                let difference = (found.value - expected.value).abs();
                let limit = 1e-4 * expected.value.abs().max(1e-3);
                assert!(difference <= limit, "{found:?}, expected {expected:?}");
            }
        }
    }
}

#[test]
fn what_is_fixed_stays_in_a_run_and_the_rest_moves_as_on_the_host() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let color = "#204060".parse().unwrap();
    let fixed = |color, opacity, width| Ink {
        color,
        opacity,
        width,
    };
    for (preset, ink) in [
        (Preset::ORIGINAL, fixed(None, Some(1.0), None)),
        (Preset::COMPACT, fixed(None, Some(1.0), None)),
        (Preset::COMPACT, fixed(Some(color), None, Some(5.0))),
        (Preset::ORIGINAL, fixed(Some(color), Some(1.0), Some(0.5))),
    ] {
        let mut spec = spec("a", 11);
        spec.preset = Some(preset);
        spec.ink = ink;
        let found = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
        let expected = draw_step_by_step(&clip, &spec);
        assert_eq!(found[0].runs, [4, 4, 3, 1]);
        let expected = expected.iter().filter_map(Step::frame);
        for (found, expected) in found[0].frames().into_iter().zip(expected) {
            let difference = largest_difference(found, expected);
            assert!(difference <= 1e-4, "step {}: {difference}", found.step);
            let half_width = ink.width.map(|width| 0.5 * width * spec.canvas.scale());
            for (stroke, [red, green, blue, opacity]) in found.strokes.colors.iter().enumerate() {
                assert!(ink.opacity.is_none_or(|fixed| fixed == *opacity));
                assert!(
                    ink.color
                        .is_none_or(|color| color.channels() == [*red, *green, *blue])
                );
                let own = found.strokes.half_widths[stroke];
                assert!(half_width.is_none_or(|half_width| half_width == own));
            }
        }
        let frames = found[0].frames();
        let [first, last] = [frames[0], frames[frames.len() - 1]].map(|frame| &frame.strokes);
        assert_ne!(first.points, last.points);
        assert_eq!(first.half_widths == last.half_widths, ink.width.is_some());
    }
}

#[test]
fn a_drawing_with_a_palette_or_a_region_returns_to_the_host_in_every_step() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let mut with_palette = spec("a", 5);
    let color = "#204060".parse().unwrap();
    with_palette.objective.palette = Some(PaletteSpec::Given(vec![color]));
    let mut with_region = spec("a", 5);
    with_region.objective.region = Region::Ellipse(Extent {
        size: [90.0, 50.0],
        rotation: 10.0,
    });
    for spec in [with_palette, with_region] {
        let found = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
        assert_eq!(found[0].runs, [1; 6]);
        let expected = draw_step_by_step(&clip, &spec);
        let last = [found[0].steps.last(), expected.last()].map(|step| step.unwrap().frame());
        assert_eq!(last[0], last[1]);
    }
}

#[test]
fn a_drawing_with_strokes_that_stay_is_moved_on_the_host() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let fixed = random_strokes(&Canvas::default(), 5, 9);
    let spec = Spec {
        fixed: Some(Arc::new(fixed.clone())),
        ..spec("a", 5)
    };
    let found = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
    assert_eq!(found[0].runs, [1; 6]);
    assert_eq!(found[0].steps, draw_step_by_step(&clip, &spec));
    let frames = found[0].frames();
    let (first, last) = (&frames[0].strokes, &frames[frames.len() - 1].strokes);
    assert_eq!((last.len(), last.moving()), (29, 24));
    assert_eq!(last.range(24..29), fixed.range(0..5));
    let moved = |stroke: usize| first.points_of(stroke) != last.points_of(stroke);
    assert!((0..24).all(moved));
}

#[test]
fn the_first_updates_are_those_of_the_processor() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let spec = spec("a", 3);
    let stepper = Stepper::with_renderer(&clip, Box::new(kernels(Room::default())), GraphMode::Off);
    let on_host = Stepper::with_renderer(&clip, Box::new(CpuRenderer), GraphMode::Off);
    let start = || vec![Drawing::start(&clip, spec.clone()).unwrap()];
    let found = advance_to_the_end(&stepper, start());
    let expected = advance_to_the_end(&on_host, start());
    assert_eq!(found[0].runs, [3, 1]);
    assert_eq!(expected[0].runs, [1, 1, 1, 1]);
    let [found, expected] = [&found, &expected].map(|reports| reports[0].frames()[1]);
    let difference = largest_difference(found, expected);
    assert!(difference < 1e-3, "{difference}");
    let (cosine, _) = agreement(&numbers(&found.strokes), &numbers(&expected.strokes));
    assert!(cosine > 1.0 - 1e-9, "{cosine}");
}

#[test]
fn a_run_without_enough_room_is_repeated_and_no_byte_depends_on_it() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let spec = spec("a", 9);
    let expected = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
    let cramped = Room {
        chords: 3,
        tile_strokes: 20,
    };
    let found = draw_in_runs(&clip, cramped, &[spec]);
    assert_eq!(found[0].steps, expected[0].steps);
}

#[test]
fn drawings_in_one_run_have_frames_at_their_own_steps_and_end_on_their_own() {
    let clip = tiny(ClipConfig::tiny_towers());
    let long = spec("a", 12);
    let mut short = spec("b", 7);
    (
        short.views,
        short.strokes,
        short.steps_per_frame,
        short.seed,
    ) = (2, 9, 3, 8);
    short.canvas = Canvas::default();
    let mut late = spec("c", 2);
    late.steps_per_frame = 100;
    let specs = [long, short, late];
    let together = draw_in_runs(&clip, Room::default(), &specs);
    assert_eq!(together[0].runs, [2, 1, 1, 2, 1, 1, 4, 1]);
    for (found, spec) in together.iter().zip(&specs) {
        let alone = draw_in_runs(&clip, Room::default(), std::slice::from_ref(spec));
        assert!(found.error.is_none());
        let updates = |reports: &Reports| -> Vec<usize> {
            reports.frames().iter().map(|frame| frame.step).collect()
        };
        assert_eq!(updates(found), updates(&alone[0]));
        assert!(
            found.steps == alone[0].steps,
            "company changes nothing on the processor"
        );
    }
}

#[test]
fn a_gradient_that_is_not_finite_ends_one_drawing_after_the_frames_before_it() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let mut broken = spec("a", 8);
    broken.objective.center = CenterConstraint {
        threshold: 0.0,
        power: 10.0,
        weight: 1e30,
        ..broken.objective.center
    };
    let reports = draw_in_runs(&clip, Room::default(), &[broken, spec("b", 8)]);
    let error = reports[0].error.as_ref().unwrap().to_string();
    assert_eq!(
        error,
        "the gradient of the centre term is not finite in step 0"
    );
    assert!(reports[0].steps.is_empty());
    assert!(reports[1].error.is_none(), "the other drawing goes on");
    assert_eq!(reports[1].frames().len(), 3);
}

#[test]
fn a_weight_of_clip_that_overflows_is_reported_with_its_step() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let mut broken = spec("a", 8);
    broken.objective.clip_weight = 1e38;
    broken.prompts[0].weight = 1e30;
    let reports = draw_in_runs(&clip, Room::default(), &[broken]);
    let error = reports[0].error.as_ref().unwrap();
    assert!(
        matches!(error, DrawError::NotFinite { step: 0, .. }),
        "{error}"
    );
}

/// A term that only the host can compute.
#[derive(Debug, Clone)]
struct Thin;

impl Term for Thin {
    fn name(&self) -> &'static str {
        "thin"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn on_strokes(&self, _: &Strokes, _: &Canvas, gradient: &mut StrokeGradient) -> f64 {
        for half_width in &mut gradient.half_widths {
            *half_width += 1.0;
        }
        0.5
    }
}

#[test]
fn a_term_of_the_host_makes_every_step_return_to_it() {
    let clip = tiny(ClipConfig::tiny_transformer());
    let stepper = Stepper::with_renderer(&clip, Box::new(kernels(Room::default())), GraphMode::Off);
    let mut drawing = Drawing::start(&clip, spec("a", 6)).unwrap();
    let advance = stepper.advance(&mut [&mut drawing]);
    assert_eq!(advance[0].steps.len(), 4);
    drawing.add_term(Box::new(Thin));
    let advance = stepper.advance(&mut [&mut drawing]).remove(0);
    let steps = advance.into_result().unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].losses().value("thin"), Some(0.5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn runs_and_steps_agree_for_any_plan(
        strokes in 1_usize..40,
        steps in 1_usize..14,
        steps_per_frame in 1_usize..20,
        views in 1_usize..6,
        [width, height] in [17_u32..120, 17..120],
        [threshold, weight] in [0.0..60.0, 0.0..0.05],
        seed in 0_u64..1000,
    ) {
        let clip = tiny(ClipConfig::tiny_towers());
        let mut spec = spec("a", steps);
        (spec.strokes, spec.views, spec.seed) = (strokes, views, seed);
        spec.steps_per_frame = steps_per_frame;
        spec.canvas = Canvas { width, height, ..Canvas::default() };
        spec.objective.center = CenterConstraint { threshold, weight, ..spec.objective.center };
        spec.preset = Some(Preset::ORIGINAL);
        let found = draw_in_runs(&clip, Room::default(), std::slice::from_ref(&spec));
        let expected = draw_step_by_step(&clip, &spec);
        let found: Vec<_> = found[0].frames();
        let expected: Vec<_> = expected.iter().filter_map(Step::frame).collect();
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            prop_assert_eq!(&found.strokes, &expected.strokes);
        }
    }
}
