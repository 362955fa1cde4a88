//! Drawings that follow the shapes of a picture.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed as it should"
)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::objective::LikenessSpec;
use clipdraw::draw::{Drawing, Frame, ImagePrompt, Spec, Step, WeightedPrompt, step_together};
use clipdraw::import::{DecodedPicture, decode_picture};
use clipdraw::inputs::Input;
use clipdraw::output::{OutputFormat, Provenance};
use clipdraw::render::cpu::raster::paint;
use clipdraw::render::renderer_for;
use serde_json::{Value, json};
use tch::{Device, Kind};

/// A dark bar on the left and a red disc.
const SHAPES: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224"><rect width="224" height="224" fill="#fff"/><rect x="20" y="30" width="50" height="160" fill="#124"/><circle cx="150" cy="120" r="45" fill="#c22"/></svg>"##;

fn embedded() -> Clip {
    Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap()
}

fn shapes() -> DecodedPicture {
    decode_picture(SHAPES.as_bytes()).unwrap()
}

/// A drawing that follows nothing but the shapes of the picture.
fn only_shapes(steps: usize) -> Spec {
    let image = ImagePrompt::new(shapes(), 0.0);
    let mut spec = Spec {
        strokes: 48,
        steps,
        steps_per_frame: steps,
        seed: 5,
        ..Spec::default()
    };
    spec.objective.center.weight = 0.0;
    spec.objective.likeness = Some(LikenessSpec {
        picture: image.picture(),
        amount: 1.0,
    });
    spec.image_prompts = vec![image];
    spec
}

fn with_text(mut spec: Spec) -> Spec {
    spec.prompts = vec![WeightedPrompt::new("a red ball")];
    spec
}

/// The frames of a drawing.
fn draw(clip: &Clip, spec: Spec) -> Vec<Frame> {
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

fn in_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(|| {
        tch::set_num_threads(threads as i32);
        run()
    })
}

/// The mean absolute difference between the picture of a drawing and the one that it follows.
fn pixel_distance(frame: &Frame) -> f64 {
    let spec = only_shapes(1);
    let painting = paint(&frame.strokes, &spec.canvas);
    let found = painting.picture();
    let expected = shapes();
    let side = expected.width;
    let pixels = (0..found.height()).flat_map(|y| (0..found.width()).map(move |x| (x, y)));
    let sum: f64 = pixels
        .map(|(x, y)| {
            let there = [x, y].map(|place| place * side / found.width());
            let color = found.pixel(x, y).into_iter().enumerate();
            let differences = color.map(|(channel, value)| {
                let wanted = f64::from(expected.value(channel, there[0], there[1])) / 255.0;
                (f64::from(value) - wanted).abs()
            });
            differences.sum::<f64>()
        })
        .sum();
    sum / (3 * found.width() * found.height()) as f64
}

#[test]
fn the_term_alone_moves_strokes_towards_the_shapes_of_the_picture() {
    let clip = embedded();
    let frames = draw(&clip, only_shapes(120));
    let (first, last) = (&frames[0], &frames[frames.len() - 1]);
    let loss = |frame: &Frame| frame.losses.value("likeness").unwrap();
    assert!(
        loss(last) < 0.7 * loss(first),
        "{} {}",
        loss(first),
        loss(last)
    );
    let [before, after] = [first, last].map(pixel_distance);
    assert!(after < 0.8 * before, "{before} {after}");
    let names: Vec<_> = last.losses.terms().iter().map(|term| term.name).collect();
    assert_eq!(names, ["clip", "contrast", "centre", "likeness"]);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let frames = [1, 2, 4]
        .map(|threads| in_threads(threads, || draw(&embedded(), with_text(only_shapes(4)))));
    assert_eq!(frames[0], frames[1]);
    assert_eq!(frames[0], frames[2]);
}

#[test]
fn drawings_with_and_without_likeness_are_the_same_alone_and_together() {
    let clip = embedded();
    let steps = 3;
    let mut plain = with_text(only_shapes(steps));
    plain.objective.likeness = None;
    let another = Spec {
        seed: 9,
        views: 3,
        ..only_shapes(steps)
    };
    let specs = [plain, with_text(only_shapes(steps)), another];
    let alone = specs.clone().map(|spec| draw(&clip, spec).pop().unwrap());
    let mut drawings = specs.map(|spec| Drawing::start(&clip, spec).unwrap());
    let renderer = renderer_for(Device::Cpu);
    for _ in 0..steps {
        let mut all: Vec<&mut Drawing> = drawings.iter_mut().collect();
        for result in step_together(&clip, &*renderer, &mut all) {
            result.unwrap();
        }
    }
    for (drawing, alone) in drawings.iter().zip(&alone) {
        assert_eq!(drawing.frame().strokes, alone.strokes);
    }
}

#[test]
fn several_drawings_of_a_plan_are_those_of_their_seeds() {
    let clip = embedded();
    let spec = only_shapes(2);
    let mut several = Drawing::start_several(&clip, spec.clone(), 2).unwrap();
    let renderer = renderer_for(Device::Cpu);
    for _ in 0..2 {
        let mut all: Vec<&mut Drawing> = several.iter_mut().collect();
        for result in step_together(&clip, &*renderer, &mut all) {
            result.unwrap();
        }
    }
    for (index, drawing) in several.iter().enumerate() {
        let seed = spec.seed + index as u64;
        let alone = draw(
            &clip,
            Spec {
                seed,
                ..spec.clone()
            },
        )
        .pop()
        .unwrap();
        assert_eq!(drawing.frame().strokes, alone.strokes);
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_the_drawing_and_is_named() {
    let clip = embedded();
    let mut spec = only_shapes(3);
    spec.objective.likeness.as_mut().unwrap().amount = f32::INFINITY;
    let mut drawing = Drawing::start(&clip, spec).unwrap();
    let error = drawing.step(&clip).unwrap_err().to_string();
    assert_eq!(
        error,
        "the loss of the likeness term is not finite in step 0"
    );
}

#[test]
fn a_picture_of_another_shape_is_followed_on_a_canvas_that_is_not_square() {
    let clip = embedded();
    let mut spec = only_shapes(2);
    spec.canvas.width = 300;
    spec.objective.likeness = Some(LikenessSpec {
        picture: Arc::new(DecodedPicture {
            width: 7,
            height: 3,
            channels: 4,
            values: (0..84).map(|index| (index * 37 % 256) as u8).collect(),
            notes: Vec::new(),
        }),
        amount: 0.3,
    });
    let last = draw(&clip, spec).pop().unwrap();
    let loss = last.losses.value("likeness").unwrap();
    assert!(loss.is_finite() && loss > 0.0, "{loss}");
}

fn data_url(svg: &str) -> String {
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

fn input(values: &Value) -> Result<Input, String> {
    Input::from_values(values.as_object().unwrap()).map_err(|errors| errors.to_string())
}

#[test]
fn likeness_without_a_picture_is_an_error_that_names_both() {
    let error = input(&json!({"prompt": "a fox", "likeness": 0.5})).unwrap_err();
    assert_eq!(
        error,
        "likeness: 0.5 is not allowed; it must be 0 without image_prompt, the picture whose shapes it is about"
    );
    input(&json!({"prompt": "a fox", "likeness": 0})).unwrap();
    let error = input(&json!({"image_prompt": data_url(SHAPES), "likeness": 1.5})).unwrap_err();
    assert!(error.contains("likeness"), "{error}");
    let with_address = json!({"image_prompt": "https://a.example/x.png", "likeness": 0.5});
    input(&with_address).unwrap();
}

#[test]
fn a_drawing_that_followed_a_picture_is_continued_with_it_and_without_it() {
    let values = json!({
        "prompt": "a red ball", "image_prompt": data_url(SHAPES), "likeness": 0.5, "seed": 1,
        "num_paths": 4, "num_iterations": 1,
    });
    let first = input(&values).unwrap();
    let spec = first.spec();
    assert_eq!(spec.objective.likeness.as_ref().unwrap().amount, 0.5);
    let frame = draw(&embedded(), spec.clone()).pop().unwrap();
    let provenance = Provenance {
        model: "m".to_owned(),
        weights_sha256: "0".to_owned(),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    };
    let document = first.document(&frame, &provenance);
    let svg = document.encode(OutputFormat::Svg, 1.0).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("&quot;likeness&quot;:0.5"), "{svg}");
    let with = input(&json!({"init_svg": data_url(&svg), "image_prompt": data_url(SHAPES)}));
    let with = with.unwrap();
    assert_eq!(with.spec().objective.likeness, spec.objective.likeness);
    assert_eq!(with.prompt_notes(77), Vec::<String>::new());
    let without = input(&json!({"init_svg": data_url(&svg)})).unwrap();
    assert_eq!(without.spec().objective.likeness, None);
    assert_eq!(without.values()["likeness"], 0.0);
    let notes = without.prompt_notes(77);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("init_svg: it was drawn with a picture"),
        "{notes:?}"
    );
}
