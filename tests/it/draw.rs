//! The optimization as a whole, with the embedded model.

use std::sync::Arc;

use clipdraw::clip::{Clip, ClipConfig, WeightsSource};
use clipdraw::draw::objective::{CenterConstraint, Extent, Mask, Region, Term, ViewEmbeddings};
use clipdraw::draw::{
    DrawError, Drawing, Frame, Losses, Spec, Step, WeightedPrompt, step_together,
};
use clipdraw::render::renderer_for;
use clipdraw::scene::{Canvas, StrokeGradient, Strokes};
use tch::{Device, Kind, TchError, Tensor};

fn embedded() -> Clip {
    Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap()
}

fn tiny() -> Clip {
    Clip::random(ClipConfig::tiny_transformer(), 1, Device::Cpu, Kind::Float).unwrap()
}

pub(crate) fn spec(prompts: &[(&str, f32)], steps: usize) -> Spec {
    let prompt = |(text, weight): &(&str, f32)| WeightedPrompt {
        text: (*text).to_owned(),
        weight: *weight,
        stop: 1.0,
    };
    Spec {
        prompts: prompts.iter().map(prompt).collect(),
        strokes: 24,
        steps,
        steps_per_frame: 5,
        seed: 11,
        ..Spec::default()
    }
}

/// With strokes enough to show something.
fn dense(spec: Spec) -> Spec {
    Spec {
        strokes: 128,
        ..spec
    }
}

/// Draws to the end and returns all frames.
pub(crate) fn draw(clip: &Clip, spec: Spec) -> Vec<Frame> {
    let mut drawing = Drawing::start(clip, spec).unwrap();
    let mut frames = Vec::new();
    loop {
        match drawing.step(clip).unwrap() {
            Step::Running(progress) => frames.extend(progress.frame),
            Step::Finished(frame) => {
                frames.push(frame);
                return frames;
            }
        }
    }
}

fn similarities(losses: &Losses) -> Vec<f64> {
    losses.prompts().map(|part| part.similarity).collect()
}

/// The value of a term of the loss.
pub(crate) fn term(frame: &Frame, name: &str) -> f64 {
    frame.losses.value(name).unwrap()
}

fn distances(strokes: &Strokes) -> impl Iterator<Item = f32> {
    strokes
        .points
        .iter()
        .map(|[x, y]| (x - 112.0).hypot(y - 112.0))
}

#[test]
fn clip_reads_the_prompt_better_and_better() {
    let clip = embedded();
    let frames = draw(&clip, dense(spec(&[("a house", 1.0)], 60)));
    let similarity = |frame: &Frame| similarities(&frame.losses)[0];
    let (first, last) = (&frames[0], &frames[frames.len() - 1]);
    assert!(
        similarity(last) > similarity(first) + 0.05,
        "{} {}",
        similarity(first),
        similarity(last)
    );
}

#[test]
fn frames_come_when_due_and_the_last_one_is_the_finished_drawing() {
    let frames = draw(&tiny(), spec(&[("a", 1.0)], 12));
    let steps: Vec<usize> = frames.iter().map(|frame| frame.step).collect();
    assert_eq!(steps, [0, 5, 10, 12]);
    assert!(
        frames
            .windows(2)
            .all(|pair| pair[0].strokes != pair[1].strokes)
    );
}

#[test]
fn a_prompt_moves_points_widths_and_colors() {
    let mut spec = spec(&[("a house", 1.0)], 1);
    spec.objective.center.weight = 0.0;
    spec.stroke_widths = [1.0, 100.0];
    let clip = embedded();
    let frames = draw(&clip, spec);
    let [before, after] = [&frames[0].strokes, &frames[1].strokes];
    let moved = |a: &[f32], b: &[f32]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let points = moved(before.points.as_flattened(), after.points.as_flattened());
    assert!(
        points * 10 > before.points.len() * 2 * 7,
        "{points} of {}",
        before.points.len() * 2
    );
    assert!(moved(&before.half_widths, &after.half_widths) > 16);
    assert!(moved(before.colors.as_flattened(), after.colors.as_flattened()) > 60);
}

#[test]
fn every_prompt_has_its_own_term_and_a_negative_one_pushes_away() {
    let clip = embedded();
    let house = |weight| {
        draw(&clip, dense(spec(&[("a house", weight)], 40)))
            .pop()
            .unwrap()
    };
    let (towards, away) = (house(1.0), house(-1.0));
    let [towards, away] = [&towards, &away].map(|frame| similarities(&frame.losses)[0]);
    assert!(towards > away + 0.1, "{towards} {away}");
    let both = draw(&clip, spec(&[("a house", 1.0), ("text", -0.3)], 5))
        .pop()
        .unwrap();
    let parts: Vec<_> = both.losses.prompts().collect();
    let [house, text] = parts[..] else {
        panic!("two terms")
    };
    assert!((house.loss + 4.0 * house.similarity).abs() < 1e-6);
    assert!((text.loss - 0.3 * 4.0 * text.similarity).abs() < 1e-6);
    let sum = house.loss + text.loss + term(&both, "contrast") + term(&both, "centre");
    assert!((both.losses.total() - sum).abs() < 1e-12);
}

#[test]
fn the_center_constraint_alone_moves_exactly_the_points_outside_its_radius() {
    let mut spec = spec(&[("a", 1.0)], 1);
    spec.objective.clip_weight = 0.0;
    let frames = draw(&tiny(), spec);
    let [before, after] = [&frames[0].strokes, &frames[1].strokes];
    for (start, end) in before.points.iter().zip(&after.points) {
        let [was, is] = [start, end].map(|[x, y]| (x - 112.0).hypot(y - 112.0));
        assert!(
            if was > 75.0 { is < was } else { start == end },
            "{was} -> {is}"
        );
    }
    assert_eq!(before.half_widths, after.half_widths);
    assert_eq!(before.colors, after.colors);
}

#[test]
fn without_clip_the_drawing_contracts_into_the_circle_and_stays_there() {
    let mut spec = spec(&[("a", 1.0)], 300);
    spec.objective.clip_weight = 0.0;
    spec.views = 1;
    spec.strokes = 64;
    spec.steps_per_frame = 50;
    let frames = draw(&tiny(), spec);
    let outside = |frame: &Frame| distances(&frame.strokes).filter(|d| *d > 76.0).count();
    assert!(
        outside(&frames[0]) > 150,
        "the strokes start all over the canvas"
    );
    let last = &frames[frames.len() - 1];
    assert_eq!(outside(last), 0);
    // What was inside has not moved: neither a ring (all at the edge) nor a point (all in the middle).
    let inside_before: Vec<usize> = (0..last.strokes.points.len())
        .filter(|index| distances(&frames[0].strokes).nth(*index).unwrap() < 75.0)
        .collect();
    for index in &inside_before {
        assert_eq!(
            frames[0].strokes.points[*index],
            last.strokes.points[*index]
        );
    }
    let half = distances(&last.strokes)
        .filter(|d| *d < 75.0 / 2_f32.sqrt())
        .count();
    assert!(
        half * 8 > last.strokes.points.len(),
        "{half} points in the inner half of the circle"
    );
    let deepest = (0..last.strokes.points.len())
        .filter(|index| !inside_before.contains(index))
        .map(|index| distances(&last.strokes).nth(index).unwrap())
        .fold(f32::MAX, f32::min);
    assert!(
        deepest > 50.0,
        "points that were outside stop near the edge, not at {deepest}"
    );
}

#[test]
fn strokes_outside_of_a_region_are_moved_into_it() {
    let clip = tiny();
    let extent = Extent {
        size: [120.0, 60.0],
        rotation: 25.0,
    };
    // The right three quarters are white.
    let mask = Mask::new(4, &[0.0, 1.0, 1.0, 1.0], &Canvas::default()).unwrap();
    for region in [
        Region::Ellipse(extent),
        Region::Rectangle(extent),
        Region::Frame(extent),
        Region::Mask(Arc::new(mask)),
    ] {
        let mut spec = spec(&[("a", 1.0)], 200);
        spec.views = 1;
        spec.objective.clip_weight = 0.0;
        spec.objective.center = CenterConstraint {
            threshold: 0.0,
            weight: 1.0,
            ..spec.objective.center
        };
        spec.objective.region = region.clone();
        let frames = draw(&clip, spec.clone());
        let [first, last] = [&frames[0], &frames[frames.len() - 1]];
        let [before, after] = [first, last].map(|frame| term(frame, "centre"));
        assert!(
            before > 10.0 && after < 0.001 * before,
            "{region:?}: {before} {after}"
        );
        assert_eq!(draw(&clip, spec).pop().as_ref(), Some(last), "{region:?}");
    }
}

#[test]
fn a_curve_is_moved_out_of_a_hole_that_all_its_points_lie_around() {
    const RADIUS: f32 = 20.0;
    let from_center = |[x, y]: [f32; 2]| (x - 112.0).hypot(y - 112.0);
    let pixels: Vec<f32> = (0..224 * 224)
        .map(|index| [index % 224, index / 224].map(|part| part as f32 + 0.5))
        .map(|pixel| {
            if from_center(pixel) > RADIUS {
                1.0
            } else {
                0.0
            }
        })
        .collect();
    let mask = Mask::new(224, &pixels, &Canvas::default()).unwrap();
    let mut start = Strokes::new();
    for points in [
        [[60.0, 105.0], [85.0, 106.0], [139.0, 107.0], [165.0, 104.0]],
        [[120.0, 50.0], [121.0, 85.0], [118.0, 139.0], [119.0, 170.0]],
        [[90.0, 160.0], [80.0, 80.0], [150.0, 90.0], [140.0, 150.0]],
    ] {
        assert!(points.iter().all(|point| from_center(*point) > RADIUS));
        start.push(&points, 1.0, [0.0, 0.0, 0.0, 1.0]);
    }
    let depth = |strokes: &Strokes| {
        let places = (0..strokes.len()).flat_map(|stroke| {
            let points = strokes.points_of(stroke);
            (0..=1000).map(move |place| {
                let t = place as f32 / 1000.0;
                let s = 1.0 - t;
                let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
                [0, 1].map(|axis| {
                    (0..4)
                        .map(|point| weights[point] * points[point][axis])
                        .sum()
                })
            })
        });
        places
            .map(|place| RADIUS - from_center(place))
            .fold(f32::MIN, f32::max)
    };
    let mut spec = spec(&[("a", 1.0)], 200);
    spec.views = 1;
    spec.strokes = start.len();
    spec.start = Some(Arc::new(start));
    spec.objective.clip_weight = 0.0;
    spec.objective.center = CenterConstraint {
        threshold: 0.0,
        weight: 1.0,
        ..spec.objective.center
    };
    spec.objective.region = Region::Mask(Arc::new(mask));
    let frames = draw(&tiny(), spec);
    let [before, after] =
        [&frames[0], &frames[frames.len() - 1]].map(|frame| depth(&frame.strokes));
    assert!(before > 10.0 && after < 1.0, "{before} {after}");
}

#[test]
fn the_same_seed_draws_the_same_at_any_number_of_threads() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            tch::set_num_threads(threads as i32);
            draw(&embedded(), spec(&[("a red fox", 1.0)], 12))
        })
    };
    let one = on_threads(1);
    for threads in [2, 3] {
        assert!(
            one == on_threads(threads),
            "{threads} threads draw otherwise than one"
        );
    }
    let mut other = spec(&[("a red fox", 1.0)], 12);
    other.seed += 1;
    assert_ne!(one[0].strokes, draw(&embedded(), other)[0].strokes);
}

#[test]
fn drawings_stepped_together_follow_their_own_prompts_and_end_on_their_own() {
    let clip = tiny();
    let long = spec(&[("a", 1.0)], 7);
    let mut short = spec(&[("b", 1.0), ("c", -0.5)], 3);
    short.canvas = Canvas {
        width: 96,
        height: 64,
        ..Canvas::default()
    };
    short.views = 2;
    let mut drawings =
        [long.clone(), short.clone()].map(|spec| Drawing::start(&clip, spec).unwrap());
    let renderer = renderer_for(clip.device());
    let mut ends = [None, None];
    while ends.contains(&None) {
        let open: Vec<usize> = (0..2).filter(|index| ends[*index].is_none()).collect();
        let mut running: Vec<&mut Drawing> = drawings
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| open.contains(index))
            .map(|(_, drawing)| drawing)
            .collect();
        let results = step_together(&clip, &*renderer, &mut running);
        for (index, result) in open.iter().zip(results) {
            if let Step::Finished(frame) = result.unwrap() {
                ends[*index] = Some(frame);
            }
        }
    }
    for (end, spec) in ends.into_iter().flatten().zip([long, short]) {
        let alone = draw(&clip, spec).pop().unwrap();
        assert_eq!(end.step, alone.step);
        assert!(
            end.strokes == alone.strokes,
            "company changes nothing on the processor"
        );
    }
}

#[test]
fn a_gradient_that_is_not_finite_ends_the_drawing_with_the_term_and_the_step() {
    let clip = tiny();
    let mut broken = spec(&[("a", 1.0)], 5);
    broken.objective.center = CenterConstraint {
        threshold: 0.0,
        power: 10.0,
        weight: 1e30,
        ..broken.objective.center
    };
    let mut drawings =
        [broken, spec(&[("a", 1.0)], 5)].map(|spec| Drawing::start(&clip, spec).unwrap());
    let before = drawings[0].frame().strokes;
    let mut running: Vec<_> = drawings.iter_mut().collect();
    let results = step_together(&clip, &*renderer_for(clip.device()), &mut running);
    let error = results[0].as_ref().unwrap_err();
    assert!(matches!(error, DrawError::NotFinite { step: 0, .. }));
    assert_eq!(
        error.to_string(),
        "the gradient of the centre term is not finite in step 0"
    );
    assert_eq!(
        before,
        drawings[0].frame().strokes,
        "the strokes are as they were"
    );
    assert!(results[1].is_ok(), "the other drawing goes on");
}

#[test]
fn a_prompt_that_is_too_long_is_refused_with_its_number_of_tokens() {
    let text = "word ".repeat(200);
    let error = Drawing::start(&tiny(), spec(&[(&text, 1.0)], 1)).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("202 tokens") && cause.contains("77"),
        "{cause}"
    );
}

#[test]
fn with_truncate_a_prompt_that_is_too_long_is_cut_for_the_model() {
    let clip = tiny();
    let text = "word ".repeat(200);
    let cut = Spec {
        truncate: true,
        ..spec(&[(&text, 1.0)], 2)
    };
    let drawing = Drawing::start(&clip, cut.clone()).unwrap();
    assert_eq!(
        drawing.spec().prompts[0].text,
        "word ".repeat(75).trim_end()
    );
    let short = spec(&[("word ".repeat(75).trim_end(), 1.0)], 2);
    assert_eq!(draw(&clip, cut).pop(), draw(&clip, short).pop());
}

#[test]
fn half_precision_has_room_for_every_allowed_weight() {
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Half).unwrap();
    let strokes = [1.0, 512.0].map(|weight| {
        let mut spec = spec(&[("a fox", 10.0), ("text", -10.0)], 2);
        spec.objective.clip_weight = weight;
        spec.objective.center.weight = 0.0;
        draw(&clip, spec).pop().unwrap().strokes
    });
    // Adam takes no notice of a factor on the whole loss, but for gradients as small as its epsilon.
    let [light, heavy] = [&strokes[0], &strokes[1]].map(|strokes| strokes.points.as_flattened());
    let close = light
        .iter()
        .zip(heavy)
        .filter(|(a, b)| (*a - *b).abs() < 0.05)
        .count();
    assert!(close * 100 > light.len() * 95, "{close} of {}", light.len());
}

/// A term on views and strokes at once: views should be unlike the prompt, strokes thin.
#[derive(Debug, Clone)]
struct Contrary;

impl Term for Contrary {
    fn name(&self) -> &'static str {
        "contrary"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn on_views(&self, views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        Ok(Some(views.alignment.f_mul_scalar(-2.0)?))
    }

    fn on_strokes(&self, strokes: &Strokes, _: &Canvas, gradient: &mut StrokeGradient) -> f64 {
        for half_width in &mut gradient.half_widths {
            *half_width += 1.0;
        }
        strokes.half_widths.iter().copied().map(f64::from).sum()
    }
}

#[test]
fn a_term_of_ones_own_is_reported_and_reaches_views_and_strokes() {
    let clip = embedded();
    let mut spec = dense(spec(&[("a house", 1.0)], 40));
    spec.stroke_widths = [1.0, 100.0];
    let mut drawing = Drawing::start(&clip, spec.clone()).unwrap();
    drawing.add_term(Box::new(Contrary));
    let last = loop {
        if let Step::Finished(frame) = drawing.step(&clip).unwrap() {
            break frame;
        }
    };
    let names: Vec<_> = last.losses.terms().iter().map(|term| term.name).collect();
    assert_eq!(names, ["clip", "contrast", "centre", "contrary"]);
    let alone = draw(&clip, spec).pop().unwrap();
    let [with, without] = [&last, &alone].map(|frame| similarities(&frame.losses)[0]);
    assert!(with < without - 0.1, "{with} {without}");
    let width = |frame: &Frame| frame.strokes.half_widths.iter().sum::<f32>();
    assert!(width(&last) < width(&alone));
}
