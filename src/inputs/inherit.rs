//! What the file in `init_svg` says about inputs that are not given: the inputs of a drawing of this program, and for other
//! files the shape of the canvas and the widths of strokes.

use serde_json::{Map, Value, json};

use super::field::Kind;
use super::file::File;
use super::table::{LIKENESS, find};
use crate::import::{ImportedStrokes, read_strokes};
use crate::scene::{Canvas, REFERENCE_SIDE, Rgb};

/// The name of the input with the strokes at the start.
pub(super) const INIT_SVG: &str = "init_svg";

/// The name of the input with the number of strokes.
pub(super) const NUM_PATHS: &str = "num_paths";

/// The name of the input with a picture as the prompt.
pub(super) const IMAGE_PROMPT: &str = "image_prompt";

/// The name of the input with the number of drawings, which says nothing about the one in the file.
pub(super) const NUM_OUTPUTS: &str = "num_outputs";

const SIDES: [&str; 2] = ["canvas_width", "canvas_height"];
const WIDTHS: [&str; 2] = ["min_stroke_width", "max_stroke_width"];

/// Adds what the file in `init_svg` says to the inputs that are given. Nothing happens if there is none, if it has yet to be
/// fetched, or if it is wrong, which the checks report.
pub(super) fn inherit(given: &mut Map<String, Value>) {
    let file = given
        .get(INIT_SVG)
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    let Some(File::Content(file)) = file else {
        return;
    };
    let Ok(imported) = read_strokes(&file.bytes) else {
        return;
    };
    // A picture is not in the file, so its shapes can be followed only if it is given again.
    let has_picture = given.get(IMAGE_PROMPT).is_some_and(|file| !file.is_null());
    let mut add = |name: &str, value: Value| {
        let is_allowed = find(name).is_some_and(|field| {
            !matches!(field.kind, Kind::File { .. }) && field.kind.violations(&value).is_empty()
        });
        if is_allowed && !given.contains_key(name) {
            given.insert(name.to_owned(), value);
        }
    };
    let moving = imported.strokes.moving();
    for (name, value) in &imported.inputs {
        let is_used = name != LIKENESS || has_picture;
        if is_used && name != NUM_PATHS && name != NUM_OUTPUTS {
            add(name, value.clone());
        }
    }
    add(NUM_PATHS, moving.into());
    if imported.inputs.is_empty() {
        add_shape(given, &imported);
        add_widths(given, &imported);
    }
}

/// A canvas of the shape of the file, unless one of its sides is given.
fn add_shape(given: &mut Map<String, Value>, imported: &ImportedStrokes) {
    if SIDES.iter().any(|side| given.contains_key(*side)) {
        return;
    }
    let shorter = imported.size[0].min(imported.size[1]);
    for (name, side) in SIDES.into_iter().zip(imported.size) {
        let side = (side / shorter * REFERENCE_SIDE).round();
        let allowed = match find(name).map(|field| field.kind) {
            Some(Kind::Integer { max, .. }) => side.min(max as f32),
            _ => side,
        };
        given.insert(name.to_owned(), json!(allowed as i64));
    }
}

/// Wider limits of the widths of strokes, so that those in the file stay as they are.
fn add_widths(given: &mut Map<String, Value>, imported: &ImportedStrokes) {
    let side = |name: &str| given.get(name).and_then(Value::as_f64).unwrap_or_default();
    let [width, height] = SIDES.map(|name| side(name) as u32);
    if width == 0 || height == 0 {
        return;
    }
    let canvas = Canvas::new([width, height], Rgb::WHITE);
    let scale = 2.0 * imported.scale_on(&canvas) / canvas.scale();
    let widths = imported.strokes.half_widths.iter();
    let widths = widths.map(|half_width| f64::from(half_width * scale));
    let (least, most) = widths.fold((f64::MAX, 0.0_f64), |(least, most), width| {
        (least.min(width), most.max(width))
    });
    // Rounded outwards, so that no stroke is changed.
    let needed = [
        (least * 100.0).floor() / 100.0,
        (most * 100.0).ceil() / 100.0,
    ];
    for (index, name) in WIDTHS.into_iter().enumerate() {
        let Some(Kind::Number {
            default: Some(default),
            min,
            max,
        }) = find(name).map(|field| field.kind)
        else {
            continue;
        };
        let needed = needed[index].clamp(min, max);
        let wider = if index == 0 {
            needed.min(default)
        } else {
            needed.max(default)
        };
        if wider != default && !given.contains_key(name) {
            given.insert(name.to_owned(), json!(wider));
        }
    }
}
