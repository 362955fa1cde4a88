//! How long the parser takes to outline strokes, which it does to find the boxes around them.
//!
//! An outline is made of more curves the larger the coordinates are. From about four million on, 32-bit numbers are too coarse
//! for what the parser tries to reach, and a single curve can take a quarter of a second.

use resvg::usvg::roxmltree::Node;
use svgtypes::{SimplePathSegment, SimplifyingPathParser, ViewBox};

use super::numbers::{Bounds, declared, largest, transform};
use super::svg_error::{MAX_NUMBER, SvgError};

/// Curves are counted by the power of two that their coordinates do not exceed.
const CLASSES: usize = 24;

/// What a curve with coordinates up to a power of two costs at worst, in microseconds: up to 2^10, 2^14 and so on.
const CURVE_COSTS: [(usize, u64); 5] = [
    (10, 40),
    (14, 200),
    (17, 1_000),
    (20, 10_000),
    (CLASSES, 250_000),
];

/// The largest coordinate of a path. It is larger than any number in it where lengths add up, and where an arc grows until
/// it reaches its end.
const MAX_COORDINATE: f64 = 4.0 * MAX_NUMBER;

/// What a line costs at worst, in microseconds.
const LINE_COST: u64 = 5;

/// The largest sum of costs, in microseconds.
const MAX_COST: u64 = 5_000_000;

/// The lines and curves in the outlines of shapes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outlines {
    lines: u32,
    curves: [u32; CLASSES],
}

impl Outlines {
    /// Those of one element.
    ///
    /// # Errors
    /// If an arc becomes so large that it would have thousands of curves.
    pub(super) fn of(node: Node<'_, '_>, bounds: &Bounds) -> Result<Self, SvgError> {
        let mut outlines = Self::default();
        let attribute = |name| node.attribute(name).unwrap_or_default();
        let reach = || {
            let names = ["x", "y", "cx", "cy", "r", "rx", "ry", "width", "height"];
            names
                .map(|name| bounds.length(attribute(name)))
                .iter()
                .sum::<f64>()
        };
        match node.tag_name().name() {
            "path" => outlines.add_path(attribute("d"))?,
            "line" => outlines.lines = 1,
            "rect" => {
                outlines.lines = 4;
                outlines.add_curves(4, reach());
            }
            "circle" | "ellipse" => outlines.add_curves(4, reach()),
            // A point takes at least four bytes: two numbers, and what is between them.
            "polygon" | "polyline" => outlines.lines = attribute("points").len() as u32 / 4 + 1,
            _ => {}
        }
        Ok(outlines)
    }

    fn add_path(&mut self, data: &str) -> Result<(), SvgError> {
        let mut last: f64 = 0.0;
        for segment in SimplifyingPathParser::from(data) {
            // The parser takes what is before an error.
            let Ok(segment) = segment else { break };
            let of = |numbers: &[f64]| {
                numbers
                    .iter()
                    .fold(0.0, |most, number| number.abs().max(most))
            };
            match segment {
                SimplePathSegment::MoveTo { x, y } => last = of(&[x, y]),
                SimplePathSegment::LineTo { x, y } => {
                    self.lines = self.lines.saturating_add(1);
                    last = of(&[x, y]);
                }
                SimplePathSegment::ClosePath => self.lines = self.lines.saturating_add(1),
                SimplePathSegment::CurveTo {
                    x1,
                    y1,
                    x2,
                    y2,
                    x,
                    y,
                } => {
                    self.add_curves(1, of(&[last, x1, y1, x2, y2, x, y]));
                    last = of(&[x2, y2, x, y]);
                }
                SimplePathSegment::Quadratic { x1, y1, x, y } => {
                    self.add_curves(1, of(&[last, x1, y1, x, y]));
                    last = of(&[x, y]);
                }
            }
            if last > MAX_COORDINATE {
                return Err(SvgError::LargeNumber);
            }
        }
        Ok(())
    }

    fn add_curves(&mut self, count: u32, reach: f64) {
        let class = &mut self.curves[class(reach)];
        *class = class.saturating_add(count);
    }

    /// Adds outlines that are drawn so many times.
    pub(super) fn add(&mut self, other: &Self, times: u64) {
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let sum = |own: u32, other: u32| own.saturating_add(other.saturating_mul(times));
        self.lines = sum(self.lines, other.lines);
        for (own, other) in self.curves.iter_mut().zip(other.curves) {
            *own = sum(*own, other);
        }
    }

    /// The number of lines and curves.
    pub(super) fn segments(&self) -> u64 {
        let curves = self.curves.iter().map(|count| u64::from(*count));
        u64::from(self.lines) + curves.sum::<u64>()
    }

    /// The same as they are drawn by an element that moves and magnifies what is in it. The parser outlines them in both
    /// places.
    pub(super) fn placed(self, node: Node<'_, '_>, bounds: &Bounds) -> Self {
        let (factor, offset) = magnification(node, bounds);
        let (rise, least) = (class(factor), class(offset));
        if rise == 0 && least <= CURVE_COSTS[0].0 {
            return self;
        }
        let mut placed = Self {
            lines: self.lines,
            ..Self::default()
        };
        for (index, count) in self.curves.into_iter().enumerate() {
            let index = (index + rise).max(least).min(CLASSES - 1);
            placed.curves[index] = placed.curves[index].saturating_add(count);
        }
        placed
    }

    /// Checks that the parser outlines all of this in a few seconds.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn check(&self) -> Result<(), SvgError> {
        let cost_of = |index: usize, count: u32| {
            let costs = CURVE_COSTS.iter().find(|(limit, _)| index <= *limit);
            costs.map_or(0, |(_, cost)| u64::from(count) * cost)
        };
        let costs = || {
            self.curves
                .iter()
                .enumerate()
                .map(|(index, count)| cost_of(index, *count))
        };
        let cost = costs().sum::<u64>() + u64::from(self.lines) * LINE_COST;
        if cost <= MAX_COST {
            return Ok(());
        }
        let longest = costs().enumerate().max_by_key(|(_, cost)| *cost);
        let longest = longest.map_or(0, |(index, _)| index);
        Err(SvgError::LongOutlines {
            curves: self.curves[longest],
            reach: 1 << longest,
            allowed: MAX_COST / cost_of(longest, 1),
            lines: self.lines,
        })
    }
}

/// The exponent of the power of two that a number does not exceed, up to that of the last class.
fn class(number: f64) -> usize {
    (number.max(1.0).log2().ceil() as usize).min(CLASSES - 1)
}

/// By how much an element magnifies what is in it, and how far it moves it.
fn magnification(node: Node<'_, '_>, bounds: &Bounds) -> (f64, f64) {
    let (mut factor, mut offset) = bounds.styled;
    let transforms = ["transform", "patternTransform"];
    for text in transforms.into_iter().flat_map(|name| declared(node, name)) {
        let (by, far) = transform(text);
        factor *= by.max(1.0);
        offset = far + by * offset;
    }
    let length = |name| node.attribute(name).map_or(0.0, |text| bounds.length(text));
    let tag = node.tag_name().name();
    if ["use", "svg", "pattern"].contains(&tag) {
        offset += length("x") + length("y");
    }
    let units = ["patternContentUnits", "maskContentUnits", "clipPathUnits"];
    if units
        .iter()
        .any(|name| node.attribute(*name) == Some("objectBoundingBox"))
    {
        factor *= bounds.geometry.max(1.0);
    }
    if tag == "marker" {
        factor *= bounds.stroke.max(1.0);
    }
    let view_box = node
        .attribute("viewBox")
        .and_then(|text| text.parse::<ViewBox>().ok());
    if let Some(view_box) = view_box {
        let is_root = node.parent_element().is_none();
        let own = length("width").max(length("height"));
        let side = if is_root {
            own
        } else {
            own.max(bounds.viewport)
        };
        let by = side / view_box.w.min(view_box.h);
        factor *= by.max(1.0);
        offset += by * largest(node.attribute("viewBox").unwrap_or_default());
    }
    (factor, offset)
}
