//! SVG: the strokes themselves. A browser shows the file as the rasterizer paints it.

use std::fmt::Write as _;
use std::io;
use std::ops::Range;

use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::descriptor::{Format, Metadata, SizeFactors};
use crate::import::FIXED_GROUP;
use crate::scene::{Canvas, Point, Rgb, Strokes};

/// The bytes of one stroke, with a margin. Measured: 170. It has one to three segments of three
/// points each, a colour, a width and an opacity.
const STROKE_SIZE: u64 = 220;

/// How many bytes of a file one byte of the prompt can become: `"` is `&quot;` in the title and `\&quot;` in the
/// metadata.
const PROMPT_COPIES: u64 = 13;

/// The bytes of a file besides its strokes and the copies of the prompt, with a margin.
const BASE_SIZE: u64 = 2_500;

/// SVG.
pub(super) const FORMAT: Format = Format {
    extension: "svg",
    media_type: "image/svg+xml",
    check_size: |_, _| Ok(()),
    encode: |contents, _| {
        let svg = write_svg(contents.strokes, contents.canvas, contents.metadata);
        Ok(svg.into_bytes())
    },
    estimate_bytes,
};

fn estimate_bytes(factors: &SizeFactors<'_>) -> u64 {
    let strokes = STROKE_SIZE * factors.strokes as u64;
    BASE_SIZE + PROMPT_COPIES * factors.prompt_bytes as u64 + strokes
}

/// Decimal places of coordinates and widths. An error of 0.005 pixels is far too small to see.
const PLACES: usize = 2;

/// The smallest step of a coordinate as it is written.
const SMALLEST_STEP: f32 = 0.01;

/// Writes the strokes over the canvas as an SVG document with one rectangle, unless the
/// canvas is transparent, and one path per stroke, in painter's order, with round caps and joins.
pub fn write_svg(strokes: &Strokes, canvas: &Canvas, metadata: &Metadata) -> String {
    let mut document = Vec::new();
    write_document(&mut document, strokes, canvas, metadata).expect("memory can be written to");
    String::from_utf8(document).expect("all parts are UTF-8")
}

fn write_document(
    document: &mut Vec<u8>,
    strokes: &Strokes,
    canvas: &Canvas,
    metadata: &Metadata,
) -> io::Result<()> {
    write_canvas(document, canvas, Some(metadata), &mut |xml| {
        let moving = strokes.moving();
        write_group(xml, None, &mut |xml| write_paths(xml, strokes, 0..moving))?;
        if strokes.fixed > 0 {
            write_group(xml, Some(FIXED_GROUP), &mut |xml| {
                write_paths(xml, strokes, moving..strokes.len())
            })?;
        }
        Ok(())
    })
}

/// Writes a document whose strokes `write_strokes` writes. Without metadata, it has no paper either.
pub(in crate::output) fn write_with_strokes(
    document: &mut Vec<u8>,
    canvas: &Canvas,
    metadata: Option<&Metadata>,
    write_strokes: &mut dyn FnMut(&mut Writer<&mut Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    write_canvas(document, canvas, metadata, &mut |xml| {
        write_group(xml, None, write_strokes)
    })
}

/// Writes a document whose contents after the paper `write_groups` writes.
fn write_canvas(
    document: &mut Vec<u8>,
    canvas: &Canvas,
    metadata: Option<&Metadata>,
    write_groups: &mut dyn FnMut(&mut Writer<&mut Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    let [width, height] = [canvas.width, canvas.height].map(|side| side.to_string());
    let background = canvas.background.to_string();
    let view_box = format!("0 0 {width} {height}");
    let sides = [("width", width.as_str()), ("height", height.as_str())];
    Writer::new_with_indent(document, b' ', 1)
        .create_element("svg")
        .with_attribute(("xmlns", "http://www.w3.org/2000/svg"))
        .with_attributes(sides)
        .with_attribute(("viewBox", view_box.as_str()))
        .write_inner_content(|xml| {
            if let Some(metadata) = metadata {
                write_text(xml, "title", &metadata.title)?;
                write_text(xml, "metadata", &metadata.provenance)?;
                if !canvas.is_transparent {
                    xml.create_element("rect")
                        .with_attributes(sides)
                        .with_attribute(("fill", background.as_str()))
                        .write_empty()?;
                }
            }
            write_groups(xml)
        })?;
    Ok(())
}

/// Writes some of the strokes as a document without paper and metadata, to be painted over others.
pub(in crate::output) fn write_strokes_only(
    strokes: &Strokes,
    canvas: &Canvas,
    range: Range<usize>,
) -> String {
    let mut document = Vec::new();
    write_with_strokes(&mut document, canvas, None, &mut |xml| {
        write_paths(xml, strokes, range.clone())
    })
    .expect("memory can be written to");
    String::from_utf8(document).expect("all parts are UTF-8")
}

fn write_text(xml: &mut Writer<&mut Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name)
        .write_text_content(BytesText::new(&replace_illegal_characters(text)))?;
    Ok(())
}

/// Writes a group of strokes.
fn write_group(
    xml: &mut Writer<&mut Vec<u8>>,
    id: Option<&str>,
    write_strokes: &mut dyn FnMut(&mut Writer<&mut Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    xml.create_element("g")
        .with_attributes(id.map(|id| ("id", id)))
        .with_attribute(("fill", "none"))
        .with_attribute(("stroke-linecap", "round"))
        .with_attribute(("stroke-linejoin", "round"))
        .write_inner_content(write_strokes)?;
    Ok(())
}

fn write_paths(
    xml: &mut Writer<&mut Vec<u8>>,
    strokes: &Strokes,
    mut range: Range<usize>,
) -> io::Result<()> {
    range.try_for_each(|stroke| write_path(xml, strokes, stroke))
}

fn write_path(xml: &mut Writer<&mut Vec<u8>>, strokes: &Strokes, stroke: usize) -> io::Result<()> {
    let attributes = PathAttributes::new(strokes, stroke);
    xml.create_element("path")
        .with_attributes(attributes.pairs())
        .write_empty()?;
    Ok(())
}

/// The attributes of a path that shows a stroke.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::output) struct PathAttributes([String; 4]);

impl PathAttributes {
    /// Their names, in the order in which they are written.
    pub(in crate::output) const NAMES: [&str; 4] =
        ["d", "stroke", "stroke-opacity", "stroke-width"];

    /// The attributes of a stroke.
    pub(in crate::output) fn new(strokes: &Strokes, stroke: usize) -> Self {
        let [red, green, blue, opacity] = strokes.colors[stroke];
        let width = 2.0 * strokes.half_widths[stroke];
        Self([
            path_data(strokes.points_of(stroke)),
            Rgb::nearest([red, green, blue]).to_string(),
            format!("{opacity:.4}"),
            format!("{width:.PLACES$}"),
        ])
    }

    /// The value of each name.
    pub(in crate::output) fn values(&self) -> &[String; 4] {
        &self.0
    }

    /// Names with their values.
    pub(in crate::output) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        Self::NAMES
            .into_iter()
            .zip(self.0.iter().map(String::as_str))
    }
}

fn path_data(points: &[Point]) -> String {
    let mut points: Vec<Point> = points.iter().map(|point| point.map(rounded)).collect();
    spread_if_all_equal(&mut points);
    let mut data = String::new();
    for (index, [x, y]) in points.iter().enumerate() {
        let command = match index {
            0 => "M",
            index if index % 3 == 1 => "C",
            _ => " ",
        };
        // Writing to a String cannot fail.
        let _ = write!(data, "{command}{x:.PLACES$} {y:.PLACES$}");
    }
    data
}

/// A stroke whose points are all equal is a dot. Renderers differ on paths of zero length (resvg
/// skips them), so the last point is moved by the smallest step.
fn spread_if_all_equal(points: &mut [Point]) {
    if points.iter().all(|point| *point == points[0])
        && let Some(last) = points.last_mut()
    {
        last[0] += SMALLEST_STEP;
    }
}

fn rounded(coordinate: f32) -> f32 {
    let digits = 10_f32.powi(PLACES as i32);
    // Adding zero turns -0 into 0.
    (coordinate * digits).round() / digits + 0.0
}

/// Characters that XML 1.0 forbids even as references (section 2.2, `Char`) become U+FFFD.
fn replace_illegal_characters(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => character,
            _ => char::REPLACEMENT_CHARACTER,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(title: &str) -> Metadata {
        Metadata {
            title: title.to_owned(),
            provenance: r#"{"seed":7}"#.to_owned(),
        }
    }

    fn two_strokes() -> Strokes {
        let mut strokes = Strokes::new();
        let curve = [[1.0, 2.0], [3.005, 4.0], [-0.001, 6.0], [7.0, 1.0e6]];
        strokes.push(&curve, 1.25, [1.0, 0.5, 0.0, 0.123_45]);
        strokes.push(&[[5.0, 5.0]; 7], 10.0, [0.0, 0.0, 0.0, 1.0]);
        strokes
    }

    #[test]
    fn a_stroke_becomes_a_path_with_its_full_width() {
        let svg = write_svg(&two_strokes(), &Canvas::default(), &metadata("a bonfire"));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let paths: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("path"))
            .collect();
        assert_eq!(
            paths[0].attribute("d"),
            Some("M1.00 2.00C3.01 4.00 0.00 6.00 7.00 1000000.00")
        );
        assert_eq!(paths[0].attribute("stroke"), Some("#ff8000"));
        assert_eq!(paths[0].attribute("stroke-opacity"), Some("0.1235"));
        assert_eq!(paths[0].attribute("stroke-width"), Some("2.50"));
        let dot = paths[1].attribute("d").unwrap();
        assert!(
            dot.starts_with("M5.00 5.00C5.00 5.00") && dot.ends_with(" 5.01 5.00"),
            "{dot}"
        );
    }

    /// The control points of the path `index` of a document.
    fn points_of_path(svg: &str, index: usize) -> Vec<f32> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let mut paths = document
            .descendants()
            .filter(|node| node.has_tag_name("path"));
        let data = paths
            .nth(index)
            .and_then(|path| path.attribute("d"))
            .unwrap();
        let separators = |character: char| character.is_ascii_alphabetic() || character == ' ';
        let numbers = data.split(separators).filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().unwrap()).collect()
    }

    #[test]
    fn the_estimated_size_is_enough_for_a_prompt_of_characters_that_are_escaped() {
        let canvas = Canvas::default();
        for character in ["\"", "'", "&", "<", "\\", "\u{1}", "\n", "é"] {
            let prompt = character.repeat(4000);
            let metadata = Metadata {
                provenance: serde_json::json!({ "prompt": prompt }).to_string(),
                title: prompt,
            };
            let factors = SizeFactors {
                strokes: 2,
                canvas: &canvas,
                prompt_bytes: metadata.title.len(),
            };
            let size = write_svg(&two_strokes(), &canvas, &metadata).len();
            assert!(
                size as u64 <= estimate_bytes(&factors),
                "{character}: {size}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn points_and_widths_are_read_back_as_they_were_written(seed in 0..u64::MAX, half_width in 0.05..200.0_f32) {
            let canvas = Canvas { width: 333, ..Canvas::default() };
            let mut strokes = crate::scene::start::random_strokes(&canvas, 3, seed);
            strokes.half_widths[1] = half_width;
            let svg = write_svg(&strokes, &canvas, &metadata("a"));
            for stroke in 0..3 {
                let read = points_of_path(&svg, stroke);
                let written = strokes.points_of(stroke).as_flattened();
                assert_eq!(read.len(), written.len());
                assert!(read.iter().zip(written).all(|(a, b)| (a - b).abs() <= 0.005_1));
            }
            assert!(svg.contains(&format!("stroke-width=\"{:.2}\"", 2.0 * half_width)));
        }
    }

    #[test]
    fn an_xml_parser_reads_back_any_prompt() {
        for title in [
            "a <b> & \"c\" ]]> d",
            "\u{1}\u{0}\u{fffe}",
            " two  spaces ",
            "日本 🔥",
        ] {
            let svg = write_svg(&two_strokes(), &Canvas::default(), &metadata(title));
            let document = roxmltree::Document::parse(&svg).unwrap();
            let read = document
                .descendants()
                .find(|node| node.has_tag_name("title"))
                .and_then(|node| node.text());
            assert_eq!(read, Some(replace_illegal_characters(title).as_str()));
        }
    }
}
