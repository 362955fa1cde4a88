//! From an SVG to the polylines of each pen.

use resvg::tiny_skia::Path;

use super::error::{MAX_POINTS, PlotError};
use super::hatch::{HatchArea, hatch};
use super::order::{ordered, travel, without_duplicates};
use super::page::{Page, Placement};
use super::pen::{Pen, Pens};
use super::polyline::{Polyline, clip, flatten};
use super::svg_reader::{self, Contents, Shape};
use crate::plural::counted;

/// Opacities from here on are drawn as full ink.
const OPAQUE: f32 = 0.995;

/// What becomes of opacity, which a pen does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Opacity {
    /// It is dropped: every visible stroke is drawn along its centre line, every area along its outline.
    #[default]
    Drop,
    /// Strokes that are not opaque and all areas are hatched. Lines are as far apart as lets the ink cover the part
    /// of the area that the opacity says.
    Hatch,
}

/// How a drawing is prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotOptions {
    /// The paper.
    pub page: Page,
    /// The pens.
    pub pens: Pens,
    /// The width of a pen's line in millimetres, more than 0.
    pub pen_width: f64,
    /// What becomes of opacity.
    pub opacity: Opacity,
    /// Whether polylines keep the order of the strokes.
    pub keep_order: bool,
}

/// What one pen draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The number of the pen, from 1.
    pub number: usize,
    /// The pen.
    pub pen: Pen,
    /// What it draws, in this order.
    pub lines: Vec<Polyline>,
}

/// A drawing that is ready for a plotter.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// The paper.
    pub page: Page,
    /// The width of a pen's line in millimetres.
    pub pen_width: f64,
    /// The pens that draw something, in their order.
    pub layers: Vec<Layer>,
    /// How much there is to draw.
    pub report: Report,
    /// What a plotter cannot draw, in sentences without a period.
    pub notes: Vec<String>,
}

/// How much there is to draw. Lengths are in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// The number of polylines.
    pub lines: usize,
    /// The number of polylines that were the same as another one of their pen.
    pub duplicates: usize,
    /// The distance that is drawn.
    pub drawn: f64,
    /// The travel with the pen lifted, in the order of the strokes.
    pub travel_before: f64,
    /// The travel with the pen lifted, in the order of the plot.
    pub travel_after: f64,
}

impl Plot {
    /// Prepares an SVG.
    ///
    /// # Errors
    /// If the SVG cannot be read or exceeds the limits, or nothing in it can be drawn.
    pub fn new(svg: &str, options: &PlotOptions) -> Result<Self, PlotError> {
        let contents = svg_reader::read(svg)?;
        let mut notes = contents.notes.clone();
        notes.extend(opacity_note(&contents, options.opacity));
        let by_pen = lines_by_pen(&contents, options)?;
        let mut report = Report::default();
        let mut layers = Vec::new();
        for (index, lines) in by_pen.into_iter().enumerate() {
            if lines.is_empty() {
                continue;
            }
            let count = lines.len();
            report.travel_before += travel(&lines);
            let lines = without_duplicates(lines);
            report.duplicates += count - lines.len();
            let lines = if options.keep_order {
                lines
            } else {
                ordered(lines)
            };
            report.travel_after += travel(&lines);
            report.lines += lines.len();
            report.drawn += lines.iter().map(Polyline::length).sum::<f64>();
            layers.push(Layer {
                number: index + 1,
                pen: options.pens.as_slice()[index].clone(),
                lines,
            });
        }
        if layers.is_empty() {
            return Err(PlotError::Empty);
        }
        Ok(Self {
            page: options.page,
            pen_width: options.pen_width,
            layers,
            report,
            notes,
        })
    }
}

fn opacity_note(contents: &Contents, opacity: Opacity) -> Option<String> {
    let translucent = contents
        .shapes
        .iter()
        .filter(|shape| shape.opacity < OPAQUE);
    let count = translucent.count();
    (count > 0 && opacity == Opacity::Drop).then(|| {
        let shapes = counted(count, "stroke or area", "strokes and areas");
        format!("the opacity of {shapes} is dropped; --opacity hatch turns it into hatching")
    })
}

/// The polylines of each pen, in painter's order.
fn lines_by_pen(
    contents: &Contents,
    options: &PlotOptions,
) -> Result<Vec<Vec<Polyline>>, PlotError> {
    let placement = options.page.place(contents.canvas);
    let mut by_pen = vec![Vec::new(); options.pens.as_slice().len()];
    let mut points = 0;
    for shape in &contents.shapes {
        let hatched = shape.is_fill || shape.opacity < OPAQUE;
        let lines = if options.opacity == Opacity::Hatch && hatched {
            hatched_lines(shape, &placement, options.pen_width)
        } else {
            center_lines(&shape.path, &placement)
        };
        points += lines.iter().map(|line| line.0.len()).sum::<usize>();
        if points > MAX_POINTS {
            return Err(PlotError::TooManyPoints);
        }
        by_pen[options.pens.nearest(shape.color)].extend(lines);
    }
    Ok(by_pen)
}

fn center_lines(path: &Path, placement: &Placement) -> Vec<Polyline> {
    let lists = flatten(path, placement);
    lists
        .iter()
        .flat_map(|points| clip(points, placement))
        .collect()
}

fn hatched_lines(shape: &Shape, placement: &Placement, pen_width: f64) -> Vec<Polyline> {
    let outlines = flatten(&shape.area, placement);
    let area = HatchArea {
        outlines: &outlines,
        rule: shape.rule,
        placement,
    };
    let lines = hatch(&area, pen_width / f64::from(shape.opacity));
    lines
        .iter()
        .flat_map(|line| clip(line, placement))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::PaperSize;

    fn options(pens: &str, opacity: Opacity) -> PlotOptions {
        PlotOptions {
            page: Page::new(PaperSize([120.0, 120.0]), false, 10.0).unwrap(),
            pens: pens.parse().unwrap(),
            pen_width: 0.5,
            opacity,
            keep_order: false,
        }
    }

    fn svg(contents: &str) -> String {
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><g fill="none" stroke="#000">{contents}</g></svg>"##
        )
    }

    #[test]
    fn each_pen_has_a_layer_with_the_strokes_of_its_colour() {
        let drawing = svg(concat!(
            r##"<path d="M0 0L10 0" stroke="#e01010"/><path d="M0 20L10 20"/>"##,
            r##"<path d="M0 30L200 30" stroke="#f04040"/><path d="M10 20L0 20"/>"##,
        ));
        let plot = Plot::new(&drawing, &options("black,green,red", Opacity::Drop)).unwrap();
        let layers: Vec<_> = plot
            .layers
            .iter()
            .map(|layer| (layer.number, layer.pen.name.as_str(), layer.lines.len()))
            .collect();
        assert_eq!(layers, [(1, "black", 1), (3, "red", 2)]);
        assert_eq!((plot.report.lines, plot.report.duplicates), (3, 1));
        let red = &plot.layers[1].lines;
        let long = red.iter().find(|line| line.length() > 20.0).unwrap();
        assert!((long.length() - 100.0).abs() < 1e-9, "cut at the canvas");
        assert!(plot.report.travel_after <= plot.report.travel_before);
        assert!(plot.notes.is_empty(), "{:?}", plot.notes);
    }

    #[test]
    fn opacity_is_dropped_with_a_note_or_becomes_hatching() {
        let drawing = svg(r#"<path d="M20 50L80 50" stroke-width="20" stroke-opacity="0.5"/>"#);
        let plot = Plot::new(&drawing, &options("black", Opacity::Drop)).unwrap();
        assert_eq!(plot.report.lines, 1);
        assert!(
            plot.notes[0].contains("the opacity of 1 stroke or area is dropped"),
            "{:?}",
            plot.notes
        );
        let plot = Plot::new(&drawing, &options("black", Opacity::Hatch)).unwrap();
        assert!(plot.notes.is_empty());
        // 0.5 mm wide ink covers half of 60 x 20 mm.
        assert!(
            (plot.report.drawn * 0.5 / 600.0 - 1.0).abs() < 0.03,
            "{:?}",
            plot.report
        );
    }

    #[test]
    fn a_drawing_without_visible_strokes_is_an_error() {
        let error = Plot::new(&svg(""), &options("black", Opacity::Drop)).unwrap_err();
        assert!(matches!(error, PlotError::Empty));
    }
}
