//! How long the parser takes to outline strokes, which it does to find the boxes around them.
//!
//! An outline is made of more curves the larger the coordinates are. From about four million on, 32-bit numbers are too coarse
//! for what the parser tries to reach, and a single curve can take a quarter of a second. The costs were measured with random
//! curves and the stroker of tiny-skia-path 0.12, on an AMD EPYC.

use resvg::usvg::roxmltree::Node;
use svgtypes::{SimplePathSegment, SimplifyingPathParser, ViewBox};

use super::applied::Applied;
use super::numbers::{Bounds, largest, transform};
use super::svg_error::{MAX_NUMBER, SvgError};

/// Curves are counted by the power of two that their coordinates do not exceed.
const CLASSES: usize = 24;

/// What curves with coordinates up to a power of two cost on average with the widths that take longest, in microseconds: up to
/// 2^10, 2^14 and so on. Curves that are made for it take up to ten times as long.
const CURVE_COSTS: [(usize, u64); 4] = [(10, 20), (14, 50), (17, 100), (20, 150)];

/// What a curve costs beyond that, if all strokes are narrower than these widths.
const NARROW_COSTS: [(f64, u64); 2] = [(20.0, 400), (100.0, 2_000)];

/// What a curve costs beyond that, if strokes are wider.
const WIDE_COST: u64 = 50_000;

/// The largest coordinate of a path. It is larger than any number in it where lengths add up, and where an arc grows until
/// it reaches its end.
const MAX_COORDINATE: f64 = 4.0 * MAX_NUMBER;

/// The largest sum of costs, in microseconds.
const MAX_COST: u64 = 20_000_000;

/// The curves in shapes. Lines take no time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outlines {
    curves: [u32; CLASSES],
    /// By how much strokes become wider at most, or 0.
    factor: f64,
}

impl Outlines {
    /// Those of one element.
    ///
    /// # Errors
    /// If a path reaches further than its numbers may.
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
            "circle" | "ellipse" => outlines.add_curves(4, reach()),
            "rect" if ["rx", "ry"].iter().any(|name| node.has_attribute(*name)) => {
                outlines.add_curves(4, reach());
            }
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
                SimplePathSegment::MoveTo { x, y } | SimplePathSegment::LineTo { x, y } => {
                    last = of(&[x, y]);
                }
                SimplePathSegment::ClosePath => {}
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
        for (own, other) in self.curves.iter_mut().zip(other.curves) {
            *own = own.saturating_add(other.saturating_mul(times));
        }
        self.factor = self.factor.max(other.factor);
    }

    /// The same as they are drawn by an element that moves and magnifies what is in it. The parser outlines strokes in both
    /// places if they are rotated.
    pub(super) fn placed(self, node: Node<'_, '_>, applied: &Applied<'_>, bounds: &Bounds) -> Self {
        if !bounds.is_rotated {
            return self;
        }
        let (factor, offset) = magnification(node, applied, bounds);
        // Rotations are no exact ones; a little less for each of them does not add up to much.
        let (rise, least) = (class(factor / 1.03), class(offset));
        if rise == 0 && least <= CURVE_COSTS[0].0 {
            return self;
        }
        let mut placed = Self {
            factor: self.factor.max(1.0) * factor,
            ..Self::default()
        };
        for (index, count) in self.curves.into_iter().enumerate() {
            let index = (index + rise).max(least).min(CLASSES - 1);
            placed.curves[index] = placed.curves[index].saturating_add(count);
        }
        placed
    }

    /// Checks that the parser outlines all of this in a few seconds, with strokes up to a width.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn check(&self, width: f64) -> Result<(), SvgError> {
        let width = self.factor.max(1.0) * width;
        let narrow = NARROW_COSTS.iter().find(|(limit, _)| width <= *limit);
        let beyond = narrow.map_or(WIDE_COST, |(_, cost)| *cost);
        let cost_of_one = |class: usize| {
            let known = CURVE_COSTS.iter().find(|(limit, _)| class <= *limit);
            known.map_or(beyond, |(_, cost)| *cost)
        };
        let classes = self.curves.iter().enumerate();
        let costs = classes.map(|(class, count)| (u64::from(*count) * cost_of_one(class), class));
        if costs.clone().map(|(cost, _)| cost).sum::<u64>() <= MAX_COST {
            return Ok(());
        }
        let (_, longest) = costs.max().unwrap_or_default();
        Err(SvgError::LongOutlines {
            curves: self.curves[longest],
            reach: 1 << longest,
            allowed: MAX_COST / cost_of_one(longest),
        })
    }
}

/// The exponent of the power of two that a number does not exceed, up to that of the last class.
fn class(number: f64) -> usize {
    (number.max(1.0).log2().ceil() as usize).min(CLASSES - 1)
}

/// By how much an element magnifies what is in it, and how far it moves it.
fn magnification(node: Node<'_, '_>, applied: &Applied<'_>, bounds: &Bounds) -> (f64, f64) {
    let (mut factor, mut offset) = (1.0_f64, 0.0_f64);
    let names = ["transform", "patternTransform"];
    let attributes = names.into_iter().filter_map(|name| node.attribute(name));
    let declared = applied.declarations.iter();
    let declared = declared.filter(|one| one.name == "transform");
    for text in attributes.chain(declared.map(|one| one.value)) {
        let (by, far) = transform(text);
        factor = factor.max(by);
        offset = offset.max(far);
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
