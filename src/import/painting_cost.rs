//! How long it takes to paint an SVG.

use resvg::tiny_skia::{PathSegment, Point, Rect, Transform};
use resvg::usvg::{Group, Node, Paint, Path, Stroke, Tree};

/// What a pixel of one colour costs, in nanoseconds.
const PIXEL: f32 = 8.0;

/// What a pixel of a gradient or a pattern costs.
const BLENDED_PIXEL: f32 = 16.0;

/// What an edge costs for each pixel of its height.
const EDGE_PIXEL: f32 = 32.0;

/// What a dash costs.
const DASH: f32 = 2000.0;

/// The largest cost, in nanoseconds.
const MAX_COST: f32 = 5e9;

/// Whether an SVG is painted in a few seconds, with so many pixels for a unit.
pub(super) fn is_bounded(tree: &Tree, scale: f32) -> bool {
    let size = tree.size();
    let mut cost = Cost {
        scale,
        seen: Rect::from_xywh(0.0, 0.0, size.width(), size.height()),
        sum: 0.0,
    };
    cost.add_group(tree.root());
    cost.sum <= MAX_COST
}

struct Cost {
    scale: f32,
    /// What is seen of the picture, in units of the SVG.
    seen: Option<Rect>,
    sum: f32,
}

impl Cost {
    fn add_group(&mut self, group: &Group) {
        for node in group.children() {
            if self.sum > MAX_COST {
                return;
            }
            match node {
                Node::Group(inner) => self.add_group(inner),
                Node::Path(path) if path.is_visible() => self.add_path(path),
                Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
            }
            node.subroots(|root| self.add_group(root));
        }
    }

    fn add_path(&mut self, path: &Path) {
        let [length, height] = self.extents(path);
        if let Some(fill) = path.fill() {
            let pixels = self.pixels(path.abs_bounding_box());
            self.sum += pixels * per_pixel(fill.paint()) + height * EDGE_PIXEL;
        }
        if let Some(stroke) = path.stroke() {
            let [width, dashes] = self.stroke(path, stroke, length);
            let pixels = self.pixels(path.abs_stroke_bounding_box());
            let covered = pixels.min((length + width) * width.max(1.0));
            // An outline has two sides.
            self.sum += covered * per_pixel(stroke.paint())
                + 2.0 * height * EDGE_PIXEL
                + dashes * (DASH + width * EDGE_PIXEL);
        }
    }

    /// The length of a path, and the sum of the heights of its segments within the picture, in pixels.
    fn extents(&self, path: &Path) -> [f32; 2] {
        let Transform { sx, kx, ky, sy, .. } = path.abs_transform();
        let highest = self.seen.map_or(0.0, |seen| seen.height()) * self.scale;
        let (mut length, mut height) = (0.0, 0.0);
        let (mut last, mut start) = (Point::zero(), Point::zero());
        let mut add = |from: Point, to: Point| {
            let [x, y] = [to.x - from.x, to.y - from.y];
            let [x, y] = [sx * x + kx * y, ky * x + sy * y].map(|part| part * self.scale);
            length += x.hypot(y);
            height += y.abs().min(highest) + 1.0;
        };
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    start = to;
                    last = to;
                }
                PathSegment::LineTo(to) => {
                    add(last, to);
                    last = to;
                }
                PathSegment::QuadTo(control, to) => {
                    add(last, control);
                    add(control, to);
                    last = to;
                }
                PathSegment::CubicTo(first, second, to) => {
                    add(last, first);
                    add(first, second);
                    add(second, to);
                    last = to;
                }
                PathSegment::Close => {
                    add(last, start);
                    last = start;
                }
            }
        }
        [length, height]
    }

    /// The pixels of an area that are within the picture.
    fn pixels(&self, area: Rect) -> f32 {
        let side = |low: f32, high: f32, least: f32, most: f32| {
            (high.min(most) - low.max(least)).max(0.0) * self.scale + 1.0
        };
        self.seen.map_or(0.0, |seen| {
            side(area.left(), area.right(), seen.left(), seen.right())
                * side(area.top(), area.bottom(), seen.top(), seen.bottom())
        })
    }

    /// The width of a stroke in pixels, and the number of its dashes.
    fn stroke(&self, path: &Path, stroke: &Stroke, length: f32) -> [f32; 2] {
        let Transform { sx, kx, ky, sy, .. } = path.abs_transform();
        let scale = sx.hypot(ky).max(kx.hypot(sy)) * self.scale;
        let dashes = stroke.dasharray().map_or(0.0, |array| {
            let period = array.iter().sum::<f32>() * scale;
            // Beyond a million, the painter draws none.
            (length / period * array.len() as f32 / 2.0).min(1e6)
        });
        [stroke.width().get() * scale, dashes]
    }
}

fn per_pixel(paint: &Paint) -> f32 {
    match paint {
        Paint::Color(_) => PIXEL,
        Paint::LinearGradient(_) | Paint::RadialGradient(_) | Paint::Pattern(_) => BLENDED_PIXEL,
    }
}
