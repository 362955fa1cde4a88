//! Strokes whose width does not change with transforms (`vector-effect: non-scaling-stroke`).
//!
//! The parser drops this property. It keeps the limit of miters, which means nothing for strokes with round corners. So such
//! a stroke gets a limit that no program writes, and is recognized by it.

use resvg::usvg::Stroke;

const PROPERTY: &str = "vector-effect";
const VALUE: &str = "non-scaling-stroke";

/// The limit of miters that such strokes get. Written as text and read again, it is the same number.
const MITER_LIMIT: f32 = 4.062_515_3;

/// The elements with a stroke. A group does not pass the property on.
const SHAPES: [&str; 7] = [
    "circle", "ellipse", "line", "path", "polygon", "polyline", "rect",
];

/// A style sheet that gives the limit to all shapes with the property as an attribute.
pub(super) fn style_sheet() -> String {
    let selectors = SHAPES.map(|shape| format!(r#"{shape}[{PROPERTY}="{VALUE}"]"#));
    format!("{}{{{}}}", selectors.join(","), declaration())
}

/// The text of an SVG with the limit in the place of the property in styles; `None` if it has no such style.
pub(super) fn marked(text: &str) -> Option<String> {
    let mut marked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PROPERTY) {
        marked.push_str(before);
        if let Some(after) = after_value(after) {
            marked.push_str(&declaration());
            rest = after;
        } else {
            marked.push_str(PROPERTY);
            rest = after;
        }
    }
    marked.push_str(rest);
    (marked != text).then_some(marked)
}

/// How often the property is in the text of an SVG.
pub(super) fn count(text: &str) -> usize {
    text.matches(VALUE).count()
}

/// Whether the width of a stroke does not change with transforms.
pub(super) fn is_on(stroke: &Stroke) -> bool {
    stroke.miterlimit().get() == MITER_LIMIT
}

fn declaration() -> String {
    format!("stroke-miterlimit:{MITER_LIMIT}!important")
}

/// What comes after the value of the property, if it is this one.
fn after_value(after_name: &str) -> Option<&str> {
    let value = after_name.trim_start().strip_prefix(':')?.trim_start();
    let after = value.strip_prefix(VALUE)?;
    Some(match after.trim_start().strip_prefix('!') {
        Some(important) => important
            .trim_start()
            .strip_prefix("important")
            .unwrap_or(after),
        None => after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_is_replaced_in_styles_only() {
        let declaration = declaration();
        assert_eq!(
            declaration, "stroke-miterlimit:4.0625153!important",
            "the shortest text that is read as the same number"
        );
        for (text, expected) in [
            (
                ".a{vector-effect : non-scaling-stroke ! important;fill:none}",
                Some(format!(".a{{{declaration};fill:none}}")),
            ),
            (
                "vector-effect:none;vector-effect:non-scaling-stroke",
                Some(format!("vector-effect:none;{declaration}")),
            ),
            (r#"<path vector-effect="non-scaling-stroke"/>"#, None),
            ("vector-effect", None),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }
}
