//! Drawings that start from a file, and strokes that stay as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::clip::{Clip, ClipConfig};
use clipdraw::draw::{Drawing, Frame, ImagePrompt, Spec};
use clipdraw::import::decode_picture;
use clipdraw::inputs::Input;
use clipdraw::output::Provenance;
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::draw::draw;

fn tiny() -> Clip {
    Clip::random(ClipConfig::tiny_transformer(), 1, Device::Cpu, Kind::Float).unwrap()
}

fn read(values: &Value) -> Input {
    Input::from_values(values.as_object().unwrap()).unwrap()
}

fn data_url(svg: &str) -> String {
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

fn to_svg(input: &Input, frame: &Frame) -> String {
    let provenance = Provenance {
        model: "tiny".to_owned(),
        weights_sha256: "0".repeat(64),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    };
    input.document(frame, &provenance).to_svg()
}

/// The last frame as a file.
fn finish(clip: &Clip, input: &Input) -> String {
    let frames = draw(clip, input.spec().clone());
    to_svg(input, frames.last().unwrap())
}

/// The first frame as a file.
fn begin(clip: &Clip, input: &Input) -> String {
    let drawing = Drawing::start(clip, input.spec().clone()).unwrap();
    to_svg(input, &drawing.frame())
}

/// The lines of a file that are strokes.
fn paths(svg: &str) -> Vec<&str> {
    svg.lines().filter(|line| line.contains("<path")).collect()
}

const LOGO: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><path d="M1 1L20 15" stroke="red" stroke-width="0.1"/><path d="M1 9L20 15" stroke="red" stroke-width="3"/></svg>"#;

#[test]
fn our_own_drawing_is_continued_exactly_and_with_its_recipe() {
    let clip = tiny();
    let first = read(&json!({
        "prompt": "a", "num_paths": 9, "num_iterations": 6, "seed": 5, "canvas_width": 96,
        "canvas_height": 64, "background": "#fed", "recipe": "compact", "max_stroke_width": 5,
    }));
    let mut svg = finish(&clip, &first);
    for prompt in ["b", "c", "d"] {
        let next = read(&json!({
            "prompt": prompt, "num_iterations": 3, "init_svg": data_url(&svg),
        }));
        let start = begin(&clip, &next);
        assert_eq!(paths(&start), paths(&svg));
        for name in [
            "num_paths",
            "canvas_width",
            "background",
            "recipe",
            "max_stroke_width",
            "seed",
        ] {
            assert_eq!(next.values()[name], first.values()[name], "{name}");
        }
        assert_eq!((next.prompt(), next.spec().steps), (prompt, 3));
        let end = finish(&clip, &next);
        assert_ne!(paths(&end), paths(&svg));
        assert_eq!(
            end,
            finish(&clip, &next),
            "the same inputs give the same bytes"
        );
        svg = end;
    }
}

/// A drawing of one stroke with inputs in its metadata, as a data URL.
fn drawn_with(inputs: &Value) -> Value {
    let metadata = json!({"program": "clipdraw", "input": inputs});
    let text = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="224" height="224" viewBox="0 0 224 224"><metadata>{metadata}</metadata><g><path d="M0 0C1 1 2 2 3 3" stroke="#f00000" stroke-opacity="1" stroke-width="3"/></g></svg>"##
    );
    data_url(&text).into()
}

#[test]
fn a_seed_that_is_given_replaces_that_of_the_drawing() {
    let drawn = drawn_with(&json!({"prompt": "a", "seed": 5}));
    let seed = |given: Value| read(&given).values()["seed"].clone();
    assert_eq!(seed(json!({"init_svg": drawn})), 5);
    assert_eq!(seed(json!({"init_svg": drawn, "seed": 9})), 9);
}

const THRESHOLD: &str = "distance_from_centre_threshold";

/// Checks an input of a drawing that continues one with other inputs, also when it was stored.
#[track_caller]
fn assert_inherited(drawn: &Value, given: &Value, name: &str, expected: &Value) {
    let mut values = given.clone();
    values["init_svg"] = drawn_with(drawn);
    let input = read(&values);
    let found = input.values().get(name).cloned().unwrap_or_default();
    assert_eq!(found, *expected, "{name} of {drawn}, with {given}");
    let stored: Input = serde_json::from_str(&serde_json::to_string(&input).unwrap()).unwrap();
    assert_eq!(stored, input, "{drawn}, with {given}");
}

#[test]
fn colors_of_the_drawing_give_way_to_those_that_replace_them() {
    let palette = json!({"palette": "#f00"});
    let color = json!({"stroke_color": "#f00"});
    let width = json!({"stroke_width": 5.0});
    let black = json!({"ink": "black", "max_colors": 9});
    let green = json!({"palette": "#0f0"});
    let none = Value::Null;
    for (drawn, given, name, expected) in [
        (&palette, json!({}), "palette", json!("#f00")),
        (
            &palette,
            json!({"stroke_color": "#0f0"}),
            "palette",
            none.clone(),
        ),
        (&palette, json!({"ink": "black"}), "palette", none.clone()),
        (&palette, json!({"palette": null}), "palette", none.clone()),
        (&color, green.clone(), "stroke_color", none.clone()),
        (&width, json!({}), "stroke_width", json!(5.0)),
        (&width, json!({"stroke_width": null}), "stroke_width", none),
        (&black, green.clone(), "ink", json!("color")),
        (&black, green, "max_colors", json!(0)),
        (
            &black,
            json!({"stroke_color": "#0f0"}),
            "ink",
            json!("black"),
        ),
    ] {
        assert_inherited(drawn, &given, name, &expected);
    }
}

#[test]
fn the_region_of_the_drawing_gives_way_to_another_one() {
    let mask = json!({"region_mask": {"sha256": "0"}, THRESHOLD: 0.0});
    let circle = json!({"region_shape": "circle", THRESHOLD: 75.0});
    let frame = json!({"region_shape": "frame", THRESHOLD: 3.0});
    let white = data_url(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0H1V1Z" fill="#fff"/></svg>"##,
    );
    let white = json!({"region_mask": white});
    let shape = |shape: &str| json!({"region_shape": shape});
    for (drawn, given, expected) in [
        (&circle, json!({}), 75.0),
        (&circle, shape("circle"), 75.0),
        (&circle, shape("ellipse"), 0.0),
        (&circle, white.clone(), 0.0),
        (&frame, json!({}), 3.0),
        (&frame, shape("circle"), 75.0),
        (&frame, white.clone(), 0.0),
        (&mask, json!({}), 75.0),
        (&mask, white.clone(), 0.0),
    ] {
        assert_inherited(drawn, &given, THRESHOLD, &expected.into());
    }
    assert_inherited(&frame, &white, "region_shape", &"circle".into());
}

#[test]
fn pictures_of_the_drawing_that_are_not_given_again_are_named() {
    let drawn = drawn_with(&json!({
        "prompt": "a", "image_prompt": {"sha256": "0"}, "region_mask": {"sha256": "0"},
    }));
    let notes = read(&json!({"init_svg": drawn})).prompt_notes(77);
    assert_eq!(
        notes,
        [
            "init_svg: it was drawn with a picture as the prompt, which is not in the file; give it again as image_prompt",
            "init_svg: it was drawn with a painted region, which is not in the file; give it again as region_mask",
        ]
    );
}

#[test]
fn the_paper_of_another_program_s_svg_is_the_background() {
    let with = |paper: &str| {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">{paper}<path d="M1 1L20 15" stroke="red"/></svg>"#
        )
    };
    for (paper, expected) in [
        (
            r##"<rect width="30" height="20" fill="#123456"/>"##,
            "#123456",
        ),
        (
            r##"<path d="M-1-1H31V21H-1Z" fill="#000" fill-opacity="0.2"/>"##,
            "#cccccc",
        ),
        (
            r##"<rect width="20" height="20" fill="#123456"/>"##,
            "#ffffff",
        ),
    ] {
        let file = data_url(&with(paper));
        let input = read(&json!({"prompt": "a", "init_svg": file}));
        assert_eq!(input.values()["background"], expected, "{paper}");
        let input = read(&json!({"prompt": "a", "init_svg": file, "background": "none"}));
        assert_eq!(input.values()["background"], "none");
    }
}

#[test]
fn another_program_s_svg_keeps_its_shape_and_its_widths() {
    let input = read(&json!({"prompt": "a", "init_svg": data_url(LOGO), "seed": 1}));
    let values = input.values();
    assert_eq!(values["num_paths"], 2);
    assert_eq!(
        (&values["canvas_width"], &values["canvas_height"]),
        (&json!(336), &json!(224))
    );
    assert_eq!(values["max_stroke_width"], 100.0);
    let start = Drawing::start(&tiny(), input.spec().clone()).unwrap();
    let widths = start.frame().strokes.half_widths;
    let scale = 224.0 / 20.0;
    assert!((widths[0] - 0.05 * scale).abs() < 1e-3, "{widths:?}");
    assert!((widths[1] - 1.5 * scale).abs() < 1e-3, "{widths:?}");
    // What was found once is found again.
    let again: Input = serde_json::from_str(&serde_json::to_string(&input).unwrap()).unwrap();
    assert_eq!(again, input);
}

#[test]
fn random_strokes_are_added_up_to_the_number_that_is_given() {
    let values =
        |count: usize| json!({"prompt": "a", "init_svg": data_url(LOGO), "num_paths": count});
    let input = read(&values(5));
    let drawing = Drawing::start(&tiny(), input.spec().clone()).unwrap();
    assert_eq!(drawing.frame().strokes.len(), 5);
    let error = Input::from_values(values(1).as_object().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "num_paths: 1 is not allowed; it must be at least 2, the number of strokes in init_svg"
    );
}

#[test]
fn strokes_that_stay_are_written_last_and_stay_when_the_drawing_is_continued() {
    let clip = tiny();
    let values = json!({
        "prompt": "a", "num_paths": 4, "num_iterations": 3, "seed": 3, "fixed_svg": data_url(LOGO),
        "min_stroke_width": 9, "recipe": "compact",
    });
    let input = read(&values);
    let (start, end) = (begin(&clip, &input), finish(&clip, &input));
    assert!(end.contains(r#"<g id="fixed""#), "{end}");
    let (start, last) = (paths(&start), paths(&end));
    assert_eq!((start.len(), last.len()), (6, 6));
    assert_eq!(start[4..], last[4..]);
    assert!((0..4).all(|stroke| start[stroke] != last[stroke]));
    let next = read(&json!({"init_svg": data_url(&end), "num_iterations": 2}));
    assert_eq!(next.values()["num_paths"], 4);
    assert_eq!(paths(&begin(&clip, &next)), last);
    assert_eq!(paths(&finish(&clip, &next))[4..], last[4..]);
}

#[test]
fn strokes_without_fixed_ones_move_as_if_there_was_no_such_input() {
    let clip = tiny();
    let spec = Spec {
        strokes: 6,
        steps: 3,
        ..Spec::prompt("a")
    };
    let frames = draw(&clip, spec.clone());
    let start = Drawing::start(&clip, spec.clone()).unwrap().frame().strokes;
    let same = Spec {
        start: Some(std::sync::Arc::new(start)),
        ..spec
    };
    assert_eq!(draw(&clip, same), frames);
}

#[test]
fn a_file_with_too_many_strokes_or_none_is_an_error_that_names_the_input() {
    let many: Vec<String> = (0..2049)
        .map(|x| format!(r#"<path d="M{x} 0v9" stroke="red"/>"#))
        .collect();
    let many = many.concat();
    for (content, expected) in [
        (
            many.as_str(),
            "it has 2049 strokes; at most 2048 are allowed",
        ),
        ("", "it has no strokes"),
    ] {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="2049" height="9">{content}</svg>"#
        );
        for name in ["init_svg", "fixed_svg"] {
            let values = json!({name: data_url(&svg)});
            let error = Input::from_values(values.as_object().unwrap()).unwrap_err();
            let error = error.to_string();
            assert_eq!(
                error,
                format!("{name}: \"data:image/svg+xml;base64,…\" is not allowed; {expected}")
            );
        }
    }
}

#[test]
fn a_picture_as_the_prompt_draws_the_picture_closer() {
    let clip = tiny();
    let square = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#036"/><rect x="3" y="3" width="4" height="4" fill="#f80"/></svg>"##;
    let picture = decode_picture(square.as_bytes()).unwrap();
    let spec = |weight: f32| Spec {
        image_prompts: vec![ImagePrompt::new(picture.clone(), weight)],
        strokes: 40,
        steps: 40,
        steps_per_frame: 40,
        ..Spec::default()
    };
    let similarity = |frame: &Frame| frame.losses.prompts().next().unwrap().similarity;
    let closer = draw(&clip, spec(2.0));
    let farther = draw(&clip, spec(-2.0));
    assert_eq!(closer[0].strokes, farther[0].strokes);
    let [first, last] = [&closer[0], &closer[closer.len() - 1]].map(similarity);
    let away = similarity(farther.last().unwrap());
    assert!(first < last && away < last, "{away} {first} {last}");
    let part = closer[0].losses.prompts().next().unwrap();
    assert_eq!(
        (part.prompt.text.as_str(), part.prompt.weight),
        ("[image_prompt]", 2.0)
    );
    assert!((part.loss + 2.0 * 4.0 * part.similarity).abs() < 1e-4);
}
