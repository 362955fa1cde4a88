//! How long it takes to paint an SVG.

use resvg::tiny_skia::{PathSegment, Point, Rect, Transform};
use resvg::usvg::{Group, Node, Paint, Path, Stroke, Tree};

/// What a pixel of one colour costs, in nanoseconds.
const PIXEL: f32 = 9.0;

/// What a pixel of a gradient or a pattern costs.
const BLENDED_PIXEL: f32 = 20.0;

/// What a row of pixels costs in each shape.
const ROW: f32 = 500.0;

/// What an edge costs in each row.
const EDGE_ROW: f32 = 64.0;

/// What an edge costs for each one that begins in the same row: the painter puts each of them into its place among the others.
const EDGE_PAIR: f64 = 0.5;

/// How many rows of edges the painter has for a row of pixels.
const ROWS_PER_PIXEL: f32 = 4.0;

/// The number of edges from which on they are counted by rows. Fewer cannot take long.
const MANY_EDGES: usize = 10_000;

/// What a dash costs.
const DASH: f32 = 2000.0;

/// The largest cost, in nanoseconds.
const MAX_COST: f64 = 2e10;

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
    sum: f64,
}

/// The sides of the polygon of control points of a path, in pixels.
struct Edges {
    /// Their length.
    length: f32,
    /// The sum of their heights within the picture.
    height: f32,
    /// The number of pairs that begin in the same row.
    pairs: f64,
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
        let Edges {
            length,
            height,
            pairs,
        } = self.edges(path);
        if let Some(fill) = path.fill() {
            let [width, rows] = self.seen_sides(path.abs_bounding_box());
            let pixels = rows * width * per_pixel(fill.paint());
            self.sum += f64::from(pixels + rows * ROW + height * EDGE_ROW) + pairs * EDGE_PAIR;
        }
        if let Some(stroke) = path.stroke() {
            let [width, dashes] = self.stroke(path, stroke, length);
            let [columns, rows] = self.seen_sides(path.abs_stroke_bounding_box());
            let covered = (columns * rows).min((length + width) * width.max(1.0));
            // An outline has two sides.
            let edges = rows * ROW + 2.0 * height * EDGE_ROW;
            let dashes = dashes * (DASH + width * EDGE_ROW);
            let pixels = covered * per_pixel(stroke.paint());
            self.sum += f64::from(pixels + edges + dashes) + 4.0 * pairs * EDGE_PAIR;
        }
    }

    fn edges(&self, path: &Path) -> Edges {
        let highest = self.seen.map_or(0.0, |seen| seen.height()) * self.scale;
        let mut edges = Edges {
            length: 0.0,
            height: 0.0,
            pairs: 0.0,
        };
        // How many begin in each row, if there are many.
        let rows = (highest * ROWS_PER_PIXEL) as usize;
        let is_long = path.data().len() > MANY_EDGES;
        let mut counts = vec![0_u32; if is_long { rows + 1 } else { 0 }];
        self.for_each_edge(path, |from, to| {
            edges.length += (to.x - from.x).hypot(to.y - from.y);
            edges.height += (to.y - from.y).abs().min(highest) + 1.0;
            let is_seen = from.y.max(to.y) >= 0.0 && from.y.min(to.y) <= highest;
            let row = (from.y.min(to.y).max(0.0) * ROWS_PER_PIXEL) as usize;
            if is_seen && let Some(count) = counts.get_mut(row) {
                *count = count.saturating_add(1);
            }
        });
        let pairs = counts.into_iter().map(|count| f64::from(count).powi(2));
        edges.pairs = pairs.sum();
        edges
    }

    /// Calls a function with both ends of each side of the polygon of control points of a path, in pixels.
    fn for_each_edge(&self, path: &Path, mut each: impl FnMut(Point, Point)) {
        let transform = path
            .abs_transform()
            .post_concat(Transform::from_scale(self.scale, self.scale));
        let (mut last, mut start) = (Point::zero(), Point::zero());
        for segment in path.data().segments() {
            let mut line = |mut to: Point| {
                transform.map_point(&mut to);
                each(last, to);
                last = to;
            };
            match segment {
                PathSegment::MoveTo(mut to) => {
                    transform.map_point(&mut to);
                    (last, start) = (to, to);
                }
                PathSegment::LineTo(to) => line(to),
                PathSegment::QuadTo(control, to) => [control, to].into_iter().for_each(line),
                PathSegment::CubicTo(first, second, to) => {
                    [first, second, to].into_iter().for_each(line);
                }
                PathSegment::Close => {
                    each(last, start);
                    last = start;
                }
            }
        }
    }

    /// The width and the height of the part of an area that is within the picture, in pixels.
    fn seen_sides(&self, area: Rect) -> [f32; 2] {
        let side = |low: f32, high: f32, least: f32, most: f32| {
            (high.min(most) - low.max(least)).max(0.0) * self.scale + 1.0
        };
        self.seen.map_or([0.0; 2], |seen| {
            [
                side(area.left(), area.right(), seen.left(), seen.right()),
                side(area.top(), area.bottom(), seen.top(), seen.bottom()),
            ]
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
