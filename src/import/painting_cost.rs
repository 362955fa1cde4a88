//! How long it takes to paint an SVG.
//!
//! The costs were measured with tiny-skia 0.12 on an AMD EPYC, each with a picture that has little else.

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

/// What a layer costs.
const LAYER: f32 = 10_000.0;

/// What a pixel of a layer costs: a group with an opacity, or the tile of a pattern.
const LAYER_PIXEL: f32 = 20.0;

/// What a stop of a gradient costs for each of its pixels.
const STOP: f32 = 1.0;

/// The maximum number of pixels of the tile of a pattern, which takes memory.
const MAX_TILE_PIXELS: f32 = 2.0e6;

/// Whether an SVG is painted in a few seconds, with so many pixels for a unit.
///
/// Shapes count as if they were within the picture: within symbols and clip paths, the parser does not know where they are.
pub(super) fn is_bounded(tree: &Tree, scale: f32) -> bool {
    let mut cost = Cost { sum: 0.0 };
    let size = tree.size();
    let surface = Surface {
        scale,
        sides: [size.width(), size.height()].map(|side| side * scale),
    };
    cost.add_group(tree.root(), surface);
    cost.sum <= MAX_COST
}

/// What is painted on: the picture, or the tile of a pattern.
#[derive(Clone, Copy)]
struct Surface {
    /// Pixels for a unit.
    scale: f32,
    /// The width and the height in pixels.
    sides: [f32; 2],
}

struct Cost {
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
    fn add_group(&mut self, group: &Group, surface: Surface) {
        if group.should_isolate() {
            self.add_layer(group.abs_layer_bounding_box().to_rect(), surface);
        }
        for node in group.children() {
            if self.sum > MAX_COST {
                return;
            }
            match node {
                Node::Group(inner) => {
                    self.add_group(inner, surface);
                    // Its clip paths and masks are as large as itself.
                    let area = inner.abs_layer_bounding_box().to_rect();
                    let layer = Surface {
                        sides: surface.seen(area),
                        ..surface
                    };
                    node.subroots(|root| {
                        self.add_layer(area, surface);
                        self.add_group(root, layer);
                    });
                }
                Node::Path(path) if path.is_visible() => self.add_path(path, surface),
                Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
            }
        }
    }

    fn add_layer(&mut self, area: Rect, surface: Surface) {
        let [width, height] = surface.seen(area);
        self.sum += f64::from(LAYER + width * height * LAYER_PIXEL);
    }

    fn add_path(&mut self, path: &Path, surface: Surface) {
        let Edges {
            length,
            height,
            pairs,
        } = surface.edges(path);
        if let Some(fill) = path.fill() {
            let [width, rows] = surface.seen(path.abs_bounding_box());
            let pixels = rows * width * per_pixel(fill.paint());
            self.sum += f64::from(pixels + rows * ROW + height * EDGE_ROW) + pairs * EDGE_PAIR;
            self.add_pattern(fill.paint(), path, surface);
        }
        if let Some(stroke) = path.stroke() {
            let [width, dashes] = surface.stroke(path, stroke, length);
            let [columns, rows] = surface.seen(path.abs_stroke_bounding_box());
            let covered = (columns * rows).min((length + width) * width.max(1.0));
            // An outline has two sides.
            let edges = rows * ROW + 2.0 * height * EDGE_ROW;
            let dashes = dashes * (DASH + width * EDGE_ROW);
            let pixels = covered * per_pixel(stroke.paint());
            self.sum += f64::from(pixels + edges + dashes) + 4.0 * pairs * EDGE_PAIR;
            self.add_pattern(stroke.paint(), path, surface);
        }
    }

    /// Adds the tile of a pattern, which is painted for each shape.
    fn add_pattern(&mut self, paint: &Paint, path: &Path, surface: Surface) {
        let Paint::Pattern(pattern) = paint else {
            return;
        };
        let transform = path.abs_transform().pre_concat(pattern.transform());
        let scale = magnification(transform) * surface.scale;
        let rect = pattern.rect();
        let tile = Surface {
            scale,
            sides: [rect.width(), rect.height()].map(|side| side * scale),
        };
        let pixels = tile.sides[0] * tile.sides[1];
        self.sum += if pixels <= MAX_TILE_PIXELS {
            f64::from(pixels * LAYER_PIXEL)
        } else {
            f64::INFINITY
        };
        self.add_group(pattern.root(), tile);
    }
}

impl Surface {
    fn edges(&self, path: &Path) -> Edges {
        let highest = self.sides[1];
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

    /// The width and the height of an area in pixels, as far as they fit.
    fn seen(&self, area: Rect) -> [f32; 2] {
        let [width, height] = self.sides;
        [
            (area.width() * self.scale).min(width) + 1.0,
            (area.height() * self.scale).min(height) + 1.0,
        ]
    }

    /// The width of a stroke in pixels, and the number of its dashes.
    fn stroke(&self, path: &Path, stroke: &Stroke, length: f32) -> [f32; 2] {
        let scale = magnification(path.abs_transform()) * self.scale;
        let dashes = stroke.dasharray().map_or(0.0, |array| {
            let period = array.iter().sum::<f32>() * scale;
            // Beyond a million, the painter draws none.
            (length / period * array.len() as f32 / 2.0).min(1e6)
        });
        [stroke.width().get() * scale, dashes]
    }
}

/// By how much a transform magnifies along an axis, at most.
fn magnification(transform: Transform) -> f32 {
    let Transform { sx, kx, ky, sy, .. } = transform;
    sx.hypot(ky).max(kx.hypot(sy))
}

fn per_pixel(paint: &Paint) -> f32 {
    let gradient = |stops: usize| BLENDED_PIXEL + stops as f32 * STOP;
    match paint {
        Paint::Color(_) => PIXEL,
        Paint::Pattern(_) => BLENDED_PIXEL,
        Paint::LinearGradient(paint) => gradient(paint.stops().len()),
        Paint::RadialGradient(paint) => gradient(paint.stops().len()),
    }
}
