//! Reads the strokes and filled areas of any SVG.

use resvg::tiny_skia::{Path, StrokeDash};
use resvg::usvg::{self, FillRule, Group, Node, Paint, roxmltree};

use super::error::PlotError;
use crate::import::{build_svg, parse_svg, resolve_style, unread_colors};
use crate::plural::counted;
use crate::scene::Rgb;

/// The smallest opacity that can be seen in a picture of 8 bits per channel.
const MIN_OPACITY: f32 = 1.0 / 255.0;

/// A stroke or a filled area.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The centre line of a stroke or the outline of an area, in canvas pixels.
    pub(super) path: Path,
    /// The area that the ink covers, and how it is filled.
    pub(super) area: Path,
    /// Which parts of `area` are inside.
    pub(super) rule: FillRule,
    /// The colour of the ink.
    pub(super) color: Rgb,
    /// The opacity, 0 to 1.
    pub(super) opacity: f32,
    /// Whether it is a filled area.
    pub(super) is_fill: bool,
}

/// The contents of an SVG.
#[derive(Debug)]
pub(super) struct Contents {
    /// The width and the height of the canvas in pixels.
    pub(super) canvas: [f64; 2],
    /// What is visible, in painter's order.
    pub(super) shapes: Vec<Shape>,
    /// What a plotter cannot draw, in sentences without a period.
    pub(super) notes: Vec<String>,
}

/// Reads an SVG.
///
/// # Errors
/// If it is not an SVG, or exceeds the limits of SVG files that callers give.
pub(super) fn read(svg: &str) -> Result<Contents, PlotError> {
    let parsed = parse_svg(svg).map_err(PlotError::Svg)?;
    let resolved = resolve_style(&parsed);
    let document = match &resolved {
        Some(text) => parse_svg(text).map_err(PlotError::Svg)?,
        None => parsed,
    };
    let tree = build_svg(&document).map_err(PlotError::Svg)?;
    let canvas = [tree.size().width(), tree.size().height()];
    let mut reader = Reader {
        canvas,
        shapes: Vec::new(),
        seen: Seen::default(),
    };
    reader.add_group(tree.root(), 1.0);
    Ok(Contents {
        canvas: canvas.map(f64::from),
        shapes: reader.shapes,
        notes: reader.seen.notes(&document),
    })
}

/// What was seen that a plotter cannot draw.
#[derive(Debug, Default)]
struct Seen {
    fills: usize,
    clipped: bool,
    gradients: bool,
}

impl Seen {
    fn notes(&self, document: &roxmltree::Document<'_>) -> Vec<String> {
        let has = |name: &str| {
            let mut nodes = document.descendants();
            nodes.any(|node| node.is_element() && node.tag_name().name() == name)
        };
        let unread_colors = unread_colors(document);
        let all = [
            (
                self.fills > 0,
                counted(
                    self.fills,
                    "filled area is drawn as outlines or hatching",
                    "filled areas are drawn as outlines or hatching",
                ),
            ),
            (
                self.clipped,
                "clip paths, masks and filters are ignored".to_owned(),
            ),
            (
                self.gradients,
                "gradients and patterns are drawn in one colour".to_owned(),
            ),
            (
                has("text"),
                "text is left out; convert it to paths first".to_owned(),
            ),
            (has("image"), "images are left out".to_owned()),
            (
                unread_colors > 0,
                counted(
                    unread_colors,
                    "colour is not understood: fills with it are black, strokes are left out",
                    "colours are not understood: fills with them are black, strokes are left out",
                ),
            ),
        ];
        let notes = all.into_iter().filter(|(applies, _)| *applies);
        notes.map(|(_, note)| note).collect()
    }
}

struct Reader {
    canvas: [f32; 2],
    shapes: Vec<Shape>,
    seen: Seen,
}

impl Reader {
    /// Adds what is in a group. The depth of the recursion is limited with that of the document.
    fn add_group(&mut self, group: &Group, opacity: f32) {
        let opacity = opacity * group.opacity().get();
        self.seen.clipped |=
            group.clip_path().is_some() || group.mask().is_some() || !group.filters().is_empty();
        for node in group.children() {
            match node {
                Node::Group(group) => self.add_group(group, opacity),
                Node::Path(path) if path.is_visible() => self.add_path(path, opacity),
                Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
            }
        }
    }

    fn add_path(&mut self, path: &usvg::Path, group_opacity: f32) {
        let Some(outline) = path.data().clone().transform(path.abs_transform()) else {
            return;
        };
        if let Some(fill) = path
            .fill()
            .filter(|_| path.stroke().is_some() || !self.is_paper(&outline))
        {
            let color = self.color(fill.paint());
            self.add(Shape {
                path: outline.clone(),
                area: outline,
                rule: fill.rule(),
                color,
                opacity: group_opacity * fill.opacity().get(),
                is_fill: true,
            });
        }
        let Some(stroke) = path.stroke() else {
            return;
        };
        let style = stroke.to_tiny_skia();
        let dashed = stroke.dasharray().and_then(|lengths| {
            let dash = StrokeDash::new(lengths.to_vec(), stroke.dashoffset())?;
            path.data().dash(&dash, 1.0)
        });
        let line = dashed.as_ref().unwrap_or_else(|| path.data());
        let line = line.clone().transform(path.abs_transform());
        let area = path.data().stroke(&style, 1.0);
        let area = area.and_then(|area| area.transform(path.abs_transform()));
        if let (Some(line), Some(area)) = (line, area) {
            let color = self.color(stroke.paint());
            self.add(Shape {
                path: line,
                area,
                rule: FillRule::NonZero,
                color,
                opacity: group_opacity * stroke.opacity().get(),
                is_fill: false,
            });
        }
    }

    fn add(&mut self, shape: Shape) {
        if shape.opacity >= MIN_OPACITY {
            self.seen.fills += usize::from(shape.is_fill);
            self.shapes.push(shape);
        }
    }

    /// Whether an area is the paper: a rectangle that covers the canvas, below everything else.
    fn is_paper(&self, outline: &Path) -> bool {
        let bounds = outline.bounds();
        let [width, height] = self.canvas;
        let covers = bounds.left() <= 0.0
            && bounds.top() <= 0.0
            && bounds.right() >= width
            && bounds.bottom() >= height;
        self.shapes.is_empty() && covers && outline.points().len() <= 5
    }

    fn color(&mut self, paint: &Paint) -> Rgb {
        let color = match paint {
            Paint::Color(color) => return rgb(*color),
            Paint::LinearGradient(gradient) => gradient.stops().first().map(usvg::Stop::color),
            Paint::RadialGradient(gradient) => gradient.stops().first().map(usvg::Stop::color),
            Paint::Pattern(_) => None,
        };
        self.seen.gradients = true;
        color.map_or(rgb(usvg::Color::black()), rgb)
    }
}

fn rgb(color: usvg::Color) -> Rgb {
    Rgb {
        red: color.red,
        green: color.green,
        blue: color.blue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(contents: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="50">{contents}</svg>"#
        )
    }

    #[test]
    fn strokes_and_areas_are_read_with_their_colour_and_opacity_and_paper_is_not() {
        let contents = read(&svg(concat!(
            r##"<rect width="100" height="50" fill="#fff"/>"##,
            r##"<g opacity="0.5" transform="translate(10 0)"><path d="M0 0L5 0" fill="none" stroke="#f00" stroke-opacity="0.5"/></g>"##,
            r##"<circle cx="20" cy="20" r="5" fill="#00f"/>"##,
            r##"<path d="M0 0L5 0" fill="none" stroke="#f00" stroke-opacity="0.001"/>"##,
        )))
        .unwrap();
        assert_eq!(contents.canvas, [100.0, 50.0]);
        let [line, circle] = &contents.shapes[..] else {
            panic!("{:?}", contents.shapes);
        };
        assert_eq!(line.color.to_string(), "#ff0000");
        assert_eq!((line.opacity, line.is_fill), (0.25, false));
        assert_eq!(line.path.bounds().left(), 10.0);
        assert_eq!(
            (circle.color.to_string().as_str(), circle.is_fill),
            ("#0000ff", true)
        );
        assert_eq!(
            contents.notes,
            ["1 filled area is drawn as outlines or hatching"]
        );
    }

    #[test]
    fn what_a_plotter_cannot_draw_is_said() {
        let contents = read(&svg(concat!(
            r#"<image href="/etc/passwd" width="9" height="9"/><text x="3" y="9">hello</text>"#,
            r##"<linearGradient id="a"><stop stop-color="#0f0"/><stop offset="1"/></linearGradient>"##,
            r#"<clipPath id="c"><rect width="9" height="9"/></clipPath>"#,
            r#"<rect width="9" height="9" fill="url(#a)" clip-path="url(#c)"/>"#,
        )))
        .unwrap();
        let notes = contents.notes.join("\n");
        for expected in ["images", "text", "gradients", "clip paths"] {
            assert!(notes.contains(expected), "{notes}");
        }
        assert_eq!(contents.shapes[0].color.to_string(), "#00ff00");
    }

    #[test]
    fn hostile_documents_are_refused() {
        let bomb = format!(
            r#"<!DOCTYPE svg [<!ENTITY a "{}">]><svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><title>{}</title></svg>"#,
            "b".repeat(100_000),
            "&a;".repeat(10)
        );
        let deep = svg(&format!(
            "{}{}",
            "<g>".repeat(90_000),
            "</g>".repeat(90_000)
        ));
        let first = r#"<g id="a0"><path d="M0 0L1 1" stroke="red"/></g>"#;
        let levels = (1..30).map(|level| {
            let below = format!(r##"<use xlink:href="#a{}"/>"##, level - 1);
            format!(r#"<g id="a{level}">{}</g>"#, below.repeat(10))
        });
        let uses = first.to_owned() + &levels.collect::<Vec<_>>().concat();
        let attributes: Vec<_> = (0..100_000).map(|index| format!(" a{index}=''")).collect();
        let attributes = attributes.concat();
        let refused = [
            (bomb, "entities"),
            (deep, "within each other"),
            (svg(&"<g/>".repeat(200_000)), "not an SVG"),
            (svg(&uses), "elements"),
            (svg(&format!("<g{attributes}/>")), "attributes"),
            ("<html/>".to_owned(), "not an SVG"),
            ("no xml".to_owned(), "not an SVG"),
        ];
        for (text, reason) in refused {
            let Err(PlotError::Svg(error)) = read(&text) else {
                panic!("{}", &text[..200]);
            };
            let message = error.to_string();
            assert!(message.contains(reason), "{message}: {reason}");
        }
    }

    #[test]
    fn a_document_type_and_the_entities_of_illustrator_are_allowed() {
        let old = format!(
            r#"<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">{}"#,
            svg("")
        );
        assert!(read(&old).unwrap().shapes.is_empty());
        let illustrator = r#"<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg">]><svg xmlns="&ns_svg;" width="9" height="9"><path d="M0 0L5 0" fill="none" stroke="red"/></svg>"#;
        assert_eq!(read(illustrator).unwrap().shapes.len(), 1);
    }
}
