//! Numbers that would keep the parser busy for minutes, or for ever.
//!
//! It outlines each stroke to find the box around it. That takes the longer the wider the stroke is, and an arc becomes the
//! more segments the larger its radius is.

use resvg::usvg::roxmltree::{Document, Node};
use svgtypes::Transform;

use super::svg_error::{MAX_DASHES, MAX_NUMBER, MAX_WIDTH, SvgError};

/// The largest size of a font in user units, as far as lengths depend on it.
const MAX_FONT_SIZE: f64 = 1e3;

/// Attributes with the geometry of a shape or a viewport.
const GEOMETRY: [&str; 15] = [
    "d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height",
];

/// What numbers are compared with.
pub(super) struct Bounds {
    /// The longest side of a viewport: what percentages are of.
    pub(super) viewport: f64,
    /// The largest size of a font; infinite if sizes may multiply.
    font_size: f64,
    /// The largest number in the geometry of a shape.
    pub(super) geometry: f64,
    /// The largest width of a stroke.
    pub(super) stroke: f64,
    /// Whether a shape has a stroke.
    pub(super) has_strokes: bool,
    /// Whether something is rotated or skewed.
    pub(super) is_rotated: bool,
}

impl Bounds {
    /// The bounds of a document.
    pub(super) fn of(document: &Document<'_>) -> Self {
        let elements = || document.descendants().filter(Node::is_element);
        let viewport = |element: Node<'_, '_>| {
            let sides = ["viewBox", "width", "height"];
            let texts = sides.map(|name| element.attribute(name).unwrap_or_default());
            texts.map(largest).into_iter().fold(0.0, f64::max)
        };
        let font_size = |element| {
            let sizes = declared(element, "font-size").chain(declared(element, "font"));
            let sizes = sizes.map(|text| match unit(text) {
                Unit::Absolute(factor) => factor * largest(text),
                Unit::Percent | Unit::Font => f64::INFINITY,
            });
            sizes.fold(0.0, f64::max)
        };
        let mut bounds = Self {
            viewport: elements().map(viewport).fold(100.0, f64::max),
            font_size: elements().map(font_size).fold(MAX_FONT_SIZE, f64::max),
            geometry: 0.0,
            stroke: 0.0,
            has_strokes: false,
            is_rotated: false,
        };
        for element in elements() {
            let geometry = geometry(element).map(|text| bounds.length(text));
            bounds.geometry = geometry.fold(bounds.geometry, f64::max);
            let strokes = declared(element, "stroke-width").map(|text| bounds.length(text));
            bounds.stroke = strokes.fold(bounds.stroke, f64::max);
            bounds.has_strokes |= declared(element, "stroke").any(|paint| paint.trim() != "none");
            bounds.is_rotated |= rotates(element);
        }
        bounds
    }

    /// Checks that all numbers of the document are so small that it can be built in time.
    ///
    /// # Errors
    /// If one is not, or there are many dashes.
    pub(super) fn check(&self, document: &Document<'_>) -> Result<(), SvgError> {
        if self.geometry > MAX_NUMBER || self.stroke > MAX_WIDTH {
            return Err(SvgError::LargeNumber);
        }
        let elements = document.descendants().filter(Node::is_element);
        let arrays = elements.flat_map(|element| declared(element, "stroke-dasharray"));
        let counts = arrays.map(|array| numbers(array).count());
        match counts.max() {
            Some(count) if count > MAX_DASHES => Err(SvgError::LongDashes { count }),
            _ => Ok(()),
        }
    }

    /// The largest length in a text, in user units.
    pub(super) fn length(&self, text: &str) -> f64 {
        let largest = largest(text);
        match unit(text) {
            Unit::Absolute(factor) => factor * largest,
            Unit::Percent => largest / 100.0 * self.viewport,
            Unit::Font => largest * self.font_size,
        }
    }
}

/// The texts with the geometry of an element.
fn geometry<'a>(element: Node<'a, '_>) -> impl Iterator<Item = &'a str> {
    let names = GEOMETRY.iter().chain(&["viewBox"]);
    names.filter_map(move |name| element.attribute(*name))
}

/// Whether an element rotates or skews what is in it, or may do so.
fn rotates(element: Node<'_, '_>) -> bool {
    let pattern = element.attribute("patternTransform");
    let mut transforms = declared(element, "transform").chain(pattern);
    transforms.any(|text| !matches!(text.trim().parse(), Ok(Transform { b: 0.0, c: 0.0, .. })))
        || element.tag_name().name() == "marker"
}

/// By how much a transform magnifies at most, and how far it moves.
pub(super) fn transform(text: &str) -> (f64, f64) {
    let Ok(transform) = text.trim().parse::<Transform>() else {
        return (1.0, 0.0);
    };
    let Transform { a, b, c, d, e, f } = transform;
    // The largest singular value of [a c; b d].
    let squares = a * a + b * b + c * c + d * d;
    let determinant = a * d - b * c;
    let difference = (squares * squares - 4.0 * determinant * determinant).max(0.0);
    let factor = (0.5 * (squares + difference.sqrt())).sqrt();
    (factor, e.abs().max(f.abs()))
}

/// The values that an element gives a property: as an attribute, in its style, and for all elements in a style sheet.
fn declared<'a>(element: Node<'a, '_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    let sheet = (element.tag_name().name() == "style")
        .then(|| element.text())
        .flatten();
    let styles = [element.attribute("style"), sheet];
    let in_styles = styles
        .into_iter()
        .flatten()
        .flat_map(move |style| values_in(style, name));
    element.attribute(name).into_iter().chain(in_styles)
}

/// The values of a property in a style.
fn values_in<'a>(style: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let after = style.split(name).skip(1);
    after.filter_map(|text| {
        let mut text = text.trim_start();
        while let Some(comment) = text.strip_prefix("/*") {
            text = comment.split_once("*/")?.1.trim_start();
        }
        text.strip_prefix(':')?.split([';', '}']).next()
    })
}

/// What the numbers in a text are multiples of.
#[derive(Debug, PartialEq)]
enum Unit {
    /// So many user units, at most.
    Absolute(f64),
    Percent,
    /// The size of the font.
    Font,
}

fn unit(text: &str) -> Unit {
    let text = text.trim_end();
    let text = text.strip_suffix("!important").unwrap_or(text).trim_end();
    if text.ends_with('%') {
        Unit::Percent
    } else if text.ends_with("em") || text.ends_with("ex") {
        Unit::Font
    } else if ["in", "cm", "mm", "pt", "pc"]
        .iter()
        .any(|unit| text.ends_with(unit))
    {
        Unit::Absolute(96.0)
    } else {
        Unit::Absolute(1.0)
    }
}

/// The largest absolute value of the numbers in a text, 0 if there are none.
pub(super) fn largest(text: &str) -> f64 {
    numbers(text).fold(0.0, f64::max)
}

/// The absolute values of the numbers in a text.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let bytes = text.as_bytes();
    let digits = |start: usize| {
        let count = bytes[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        start + count.count()
    };
    let mut place = 0;
    std::iter::from_fn(move || {
        while place < bytes.len() {
            let start = place;
            place = digits(place);
            if bytes.get(place) == Some(&b'.') {
                place = digits(place + 1);
            }
            if place == start {
                place += 1;
                continue;
            }
            if matches!(bytes.get(place), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(place + 1), Some(b'+' | b'-')));
                let exponent = place + 1 + sign;
                let end = digits(exponent.min(bytes.len()));
                if end > exponent {
                    place = end;
                }
            }
            return Some(text[start..place].parse().unwrap_or(0.0));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_paths_and_lengths_write_them() {
        for (text, expected) in [
            ("M1-2.5.75L3,40", 40.0),
            ("A5 1e38 0 0 1 0 10", 1e38),
            ("1E+3-2e1", 1e3),
            ("1e-9.5", 0.5),
            ("2em", 2.0),
            ("7e", 7.0),
            ("7e+", 7.0),
            (".", 0.0),
            ("", 0.0),
            ("ü9", 9.0),
            ("1e999", f64::INFINITY),
        ] {
            assert_eq!(largest(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_found_in_styles_with_their_units() {
        let style =
            ".a{stroke-width:2px;fill:red}.b{stroke-width : 5% }.c{stroke-width:1em!important";
        let values: Vec<_> = values_in(style, "stroke-width").map(unit).collect();
        assert_eq!(values, [Unit::Absolute(1.0), Unit::Percent, Unit::Font]);
        assert_eq!(unit("3mm"), Unit::Absolute(96.0));
    }

    #[test]
    fn what_would_take_long_is_refused() {
        let is_bounded = |content: &str| {
            let text = format!(r#"<svg viewBox="0 0 500 400">{content}</svg>"#);
            let document = Document::parse(&text).unwrap();
            Bounds::of(&document).check(&document).is_ok()
        };
        for content in [
            r#"<path d="M0 0A5 1e38 0 0 1 0 10Z"/>"#,
            r#"<circle r="2e9"/>"#,
            r#"<path stroke-width="20000"/>"#,
            r#"<path style="fill:red;stroke-width: 2e4"/>"#,
            r"<style>path{stroke-width:500in}</style>",
            r#"<path stroke-width="9000%"/>"#,
            r#"<path stroke-width="11em"/>"#,
            r#"<g font-size="200%"><path stroke-width="1em"/></g>"#,
            r#"<g style="font-size:2em"><circle r="1ex"/></g>"#,
        ] {
            assert!(!is_bounded(content), "{content}");
        }
        for content in [
            r#"<path d="M0 0L9e6 9" stroke-width="9000"/>"#,
            r#"<path style="fill:#9e9abc;stroke:#99999999999;stroke-width:2mm"/>"#,
            r#"<path stroke-width="100%"/><text font-size="12px">1e99</text>"#,
            r#"<path stroke-width="2em" id="x99999999999"/>"#,
        ] {
            assert!(is_bounded(content), "{content}");
        }
    }
}
