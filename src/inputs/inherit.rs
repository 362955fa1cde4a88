//! What the file in `init_svg` says about inputs that are not given: the inputs of a drawing of this program, and for other
//! files the shape of the canvas, the paper, and the widths of strokes.

use serde_json::{Map, Value, json};

use super::field::Kind;
use super::file::File;
use super::table::{IMAGE_PROMPT, LIKENESS, REGION_MASK, REGION_SHAPE, THRESHOLD, find};
use crate::import::{ImportedStrokes, read_strokes};
use crate::scene::{Canvas, REFERENCE_SIDE, Rgb};

/// The name of the input with the strokes at the start.
pub(super) const INIT_SVG: &str = "init_svg";

/// The name of the input with the number of strokes.
pub(super) const NUM_PATHS: &str = "num_paths";

/// The name of the input with the number of drawings, which says nothing about the one in the file.
pub(super) const NUM_OUTPUTS: &str = "num_outputs";

const BACKGROUND: &str = "background";
const INK: &str = "ink";
const MAX_COLORS: &str = "max_colors";
const PALETTE: &str = "palette";
const STROKE_COLOR: &str = "stroke_color";
const SIDES: [&str; 2] = ["canvas_width", "canvas_height"];
const WIDTHS: [&str; 2] = ["min_stroke_width", "max_stroke_width"];

/// The inputs by name.
type Values = Map<String, Value>;

/// Adds what the file in `init_svg` says to the inputs that are given. An input that is given as `null` stays as it is. Nothing
/// happens if there is no file, if it has yet to be fetched, or if it is wrong, which the checks report.
pub(super) fn inherit(given: &mut Values) {
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
    let drawn = &imported.inputs;
    let kept = drawn.iter().filter(|(name, value)| {
        is_allowed(name, value) && !given.contains_key(*name) && !is_replaced(name, given, drawn)
    });
    let kept: Vec<_> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    given.extend(kept);
    let mut add = |name: &str, value: Value| {
        given.entry(name).or_insert(value);
    };
    add(NUM_PATHS, imported.strokes.moving().into());
    if drawn.is_empty() {
        if let Some(paper) = imported.paper {
            add(BACKGROUND, paper.to_string().into());
        }
        add_shape(given, &imported);
        add_widths(given, &imported);
    }
}

/// Whether a value that was read from a file may be used.
fn is_allowed(name: &str, value: &Value) -> bool {
    let is_kept =
        |kind: &Kind| !matches!(kind, Kind::File { .. }) && kind.violations(value).is_empty();
    !value.is_null() && find(name).is_some_and(|field| is_kept(&field.kind))
}

/// Whether an input of the drawing means something else, or nothing, beside those that are given.
fn is_replaced(name: &str, given: &Values, drawn: &Values) -> bool {
    let has = |values: &Values, name: &str| values.get(name).is_some_and(|value| !value.is_null());
    let is_black = |values: &Values| values.get(INK).is_some_and(|ink| ink == "black");
    match name {
        NUM_PATHS | NUM_OUTPUTS => true,
        // A picture is not in the file, so its shapes can be followed only if it is given again.
        LIKENESS => !has(given, IMAGE_PROMPT),
        PALETTE => has(given, STROKE_COLOR) || is_black(given),
        MAX_COLORS | STROKE_COLOR => has(given, PALETTE),
        INK => has(given, PALETTE) && is_black(drawn),
        REGION_SHAPE => has(given, REGION_MASK),
        // It is the radius of a circle, or the margin of another region.
        THRESHOLD => {
            has(given, REGION_MASK) != has(drawn, REGION_MASK)
                || given
                    .get(REGION_SHAPE)
                    .is_some_and(|shape| Some(shape) != drawn.get(REGION_SHAPE))
        }
        _ => false,
    }
}

/// A canvas of the shape of the file, unless one of its sides is given.
fn add_shape(given: &mut Values, imported: &ImportedStrokes) {
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
fn add_widths(given: &mut Values, imported: &ImportedStrokes) {
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
