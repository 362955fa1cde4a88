//! The SVG files of this program, read exactly: every number as it is written.

use resvg::usvg::roxmltree::{Document, Node};
use serde_json::{Map, Value};

use super::bounded::MAX_COORDINATE;
use crate::scene::{Point, Rgb, Strokes};

/// The name of this program in the metadata of its files.
const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// The id of the group with the strokes that stay as they are.
pub(crate) const FIXED_GROUP: &str = "fixed";

/// The inputs in the metadata of an SVG that this program wrote, perhaps changed by another program since; `None` for other
/// files.
pub(super) fn inputs(document: &Document<'_>) -> Option<Map<String, Value>> {
    let metadata = document
        .root_element()
        .children()
        .find(|node| node.tag_name().name() == "metadata");
    let metadata: Option<Value> = metadata
        .and_then(|node| node.text())
        .and_then(|text| serde_json::from_str(text).ok());
    let mut metadata = metadata.filter(|metadata| metadata["program"] == PROGRAM)?;
    Some(match metadata["input"].take() {
        Value::Object(inputs) => inputs,
        _ => Map::new(),
    })
}

/// The size and the strokes of an SVG as this program writes it, those that stay as they are at the end; `None` if anything
/// in it is written in another way.
pub(super) fn read(document: &Document<'_>) -> Option<([f32; 2], Strokes)> {
    let root = document.root_element();
    let size = ["width", "height"].map(|side| number(root, side));
    let [Some(width), Some(height)] = size else {
        return None;
    };
    if root.attribute("viewBox")? != format!("0 0 {width} {height}") {
        return None;
    }
    let mut strokes = Strokes::new();
    for group in root.children().filter(Node::is_element) {
        match group.tag_name().name() {
            "title" | "metadata" | "rect" => {}
            "g" => {
                let is_fixed = group.attribute("id") == Some(FIXED_GROUP);
                // Those that stay as they are come last.
                if !is_fixed && strokes.fixed > 0 {
                    return None;
                }
                for path in group.children().filter(Node::is_element) {
                    read_path(path, &mut strokes)?;
                    strokes.fixed += usize::from(is_fixed);
                }
            }
            _ => return None,
        }
    }
    Some(([width, height], strokes))
}

fn read_path(path: Node<'_, '_>, strokes: &mut Strokes) -> Option<()> {
    const ATTRIBUTES: [&str; 4] = ["d", "stroke", "stroke-opacity", "stroke-width"];
    let has_others = path
        .attributes()
        .any(|attribute| !ATTRIBUTES.contains(&attribute.name()));
    if path.tag_name().name() != "path" || has_others {
        return None;
    }
    let points = path_points(path.attribute("d")?)?;
    let [red, green, blue] = path.attribute("stroke")?.parse::<Rgb>().ok()?.channels();
    let opacity = number(path, "stroke-opacity")?;
    let width = number(path, "stroke-width")?;
    if !(0.0..=1.0).contains(&opacity) || width <= 0.0 {
        return None;
    }
    strokes.push(&points, width / 2.0, [red, green, blue, opacity]);
    Some(())
}

/// The control points in `M0 0C0 0 0 0 0 0C…`.
fn path_points(data: &str) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    let (first, segments) = data.strip_prefix('M')?.split_once('C')?;
    let mut read = |text: &str, count: usize| {
        let before = points.len();
        let mut numbers = text.split(' ').map(|text| text.parse().ok().and_then(near));
        while let Some(x) = numbers.next() {
            points.push([x?, numbers.next()??]);
        }
        (points.len() - before == count).then_some(())
    };
    read(first, 1)?;
    for segment in segments.split('C') {
        read(segment, 3)?;
    }
    Some(points)
}

fn number(node: Node<'_, '_>, name: &str) -> Option<f32> {
    node.attribute(name)?.parse().ok().and_then(near)
}

fn near(number: f32) -> Option<f32> {
    (number.abs() <= MAX_COORDINATE).then_some(number)
}
