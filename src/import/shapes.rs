//! The shapes of any SVG as strokes.
//!
//! Lines, quadratic curves and closed paths become cubic segments. The outline of a shape that is only filled becomes a
//! stroke of its colour. What strokes cannot show is left out, with a note.

use resvg::tiny_skia::{PathSegment, Point as Position};
use resvg::usvg::roxmltree::Document;
use resvg::usvg::{self, Group, Node, Paint, Path, Transform};

use crate::scene::start::MAX_SEGMENTS;
use crate::scene::{POINTS_PER_SEGMENT, Point, Rgba, Strokes};

/// The width of an outline, as a part of the picture's shorter side: 2 pixels of a 224 pixel canvas.
const OUTLINE_WIDTH: f32 = 2.0 / 224.0;

/// Strokes farther from the picture than this many times its longer side are left out.
const MAX_DISTANCE: f32 = 8.0;

/// What was found in an SVG.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The strokes, in units of the SVG's own size; not more than the limit.
    pub(super) strokes: Strokes,
    /// How many strokes there are, also beyond the limit.
    pub(super) count: usize,
    /// How many of several things became something else or were left out.
    pub(super) changes: Changes,
}

/// How many of several things became something else or were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes {
    papers: usize,
    fills: usize,
    outlines: usize,
    gradients: usize,
    dashes: usize,
    layers: usize,
    far: usize,
    texts: usize,
    images: usize,
    divided: usize,
}

/// What is said about each kind of change: of one thing, and of several. The order is that of [`Changes::notes`].
const NOTES: [[&str; 2]; 10] = [
    [
        "rectangle behind everything was taken for the paper",
        "rectangles behind everything were taken for the paper",
    ],
    [
        "filled shape became an outline",
        "filled shapes became outlines",
    ],
    [
        "shape kept its stroke and lost its fill",
        "shapes kept their stroke and lost their fill",
    ],
    [
        "gradient or pattern became its mean colour",
        "gradients and patterns became their mean colour",
    ],
    ["dashed stroke became solid", "dashed strokes became solid"],
    [
        "clip path, mask, filter or blend mode was ignored",
        "clip paths, masks, filters and blend modes were ignored",
    ],
    [
        "stroke far outside of the picture was left out",
        "strokes far outside of the picture were left out",
    ],
    [
        "text was left out; convert it to paths",
        "texts were left out; convert them to paths",
    ],
    ["image was left out", "images were left out"],
    [
        "path was divided into strokes of at most three segments",
        "paths were divided into strokes of at most three segments",
    ],
];

impl Changes {
    /// What is already left out when the shapes of a document are built.
    pub(super) fn left_out(document: &Document<'_>) -> Self {
        let count = |name: &str| {
            let elements = document.descendants();
            elements
                .filter(|node| node.tag_name().name() == name)
                .count()
        };
        Self {
            texts: count("text"),
            images: count("image"),
            ..Self::default()
        }
    }

    /// A line for each kind of change.
    pub(super) fn notes(self) -> Vec<String> {
        let counts = [
            self.papers,
            self.outlines,
            self.fills,
            self.gradients,
            self.dashes,
            self.layers,
            self.far,
            self.texts,
            self.images,
            self.divided,
        ];
        let all = counts.into_iter().zip(NOTES);
        let some = all.filter(|(count, _)| *count > 0);
        some.map(|(count, [one, many])| format!("{count} {}", if count == 1 { one } else { many }))
            .collect()
    }
}

/// Collects the strokes of an SVG, up to a limit, in addition to changes that are known.
pub(super) fn read(tree: &usvg::Tree, changes: Changes, limit: usize) -> Shapes {
    let size = [tree.size().width(), tree.size().height()];
    let mut reader = Reader {
        size,
        limit,
        is_first: true,
        shapes: Shapes {
            strokes: Strokes::new(),
            count: 0,
            changes,
        },
    };
    reader.group(tree.root(), 1.0);
    reader.shapes
}

struct Reader {
    size: [f32; 2],
    limit: usize,
    /// Whether no shape was read yet.
    is_first: bool,
    shapes: Shapes,
}

/// How a stroke looks.
#[derive(Clone, Copy)]
struct Look {
    color: Rgba,
    width: f32,
}

impl Reader {
    fn group(&mut self, group: &Group, opacity: f32) {
        let opacity = opacity * group.opacity().get();
        let has_layer = group.clip_path().is_some()
            || group.mask().is_some()
            || !group.filters().is_empty()
            || group.blend_mode() != usvg::BlendMode::Normal;
        self.shapes.changes.layers += usize::from(has_layer);
        for node in group.children() {
            match node {
                Node::Group(inner) => self.group(inner, opacity),
                Node::Path(path) if path.is_visible() => self.path(path, opacity),
                Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
            }
        }
    }

    fn path(&mut self, path: &Path, opacity: f32) {
        let is_first = std::mem::take(&mut self.is_first);
        if is_first && self.is_paper(path) {
            self.shapes.changes.papers += 1;
            return;
        }
        if let Some(look) = self.look(path, opacity) {
            self.outline(path, look);
        }
    }

    /// Whether a shape is filled only and covers the whole picture.
    fn is_paper(&self, path: &Path) -> bool {
        let area = path.abs_bounding_box();
        let covers = area.left() <= 0.0
            && area.top() <= 0.0
            && area.right() >= self.size[0]
            && area.bottom() >= self.size[1];
        // A rectangle has four corners.
        covers && path.stroke().is_none() && path.data().len() <= 6
    }

    fn look(&mut self, path: &Path, opacity: f32) -> Option<Look> {
        let changes = &mut self.shapes.changes;
        if let Some(stroke) = path.stroke() {
            changes.fills += usize::from(path.fill().is_some());
            changes.dashes += usize::from(stroke.dasharray().is_some());
            let color = color(stroke.paint(), &mut changes.gradients);
            return Some(Look {
                color: with_opacity(color, stroke.opacity().get() * opacity),
                width: stroke.width().get() * scale(path.abs_transform()),
            });
        }
        let fill = path.fill()?;
        changes.outlines += 1;
        let color = color(fill.paint(), &mut changes.gradients);
        Some(Look {
            color: with_opacity(color, fill.opacity().get() * opacity),
            width: OUTLINE_WIDTH * self.size[0].min(self.size[1]),
        })
    }

    fn outline(&mut self, path: &Path, look: Look) {
        let transform = path.abs_transform();
        for points in curves(path.data().segments(), transform) {
            let per_stroke = MAX_SEGMENTS * POINTS_PER_SEGMENT;
            let pieces = (points.len() - 1).div_ceil(per_stroke);
            self.shapes.changes.divided += usize::from(pieces > 1);
            for piece in 0..pieces {
                let start = piece * per_stroke;
                let end = (start + per_stroke).min(points.len() - 1);
                self.stroke(&points[start..=end], look);
            }
        }
    }

    fn stroke(&mut self, points: &[Point], look: Look) {
        let reach = MAX_DISTANCE * self.size[0].max(self.size[1]);
        let is_near = |value: &f32| value.is_finite() && value.abs() <= reach;
        let numbers = points.iter().flatten().chain([&look.width]);
        if !numbers.into_iter().all(is_near) || look.width <= 0.0 {
            self.shapes.changes.far += 1;
            return;
        }
        self.shapes.count += 1;
        if self.shapes.count <= self.limit {
            self.shapes
                .strokes
                .push(points, look.width / 2.0, look.color);
        }
    }
}

/// The mean factor of lengths.
fn scale(transform: Transform) -> f32 {
    let area = transform.sx * transform.sy - transform.kx * transform.ky;
    area.abs().sqrt()
}

fn with_opacity([red, green, blue, alpha]: Rgba, opacity: f32) -> Rgba {
    [red, green, blue, (alpha * opacity).clamp(0.0, 1.0)]
}

/// The color of a paint; that of a gradient is the mean of its stops.
fn color(paint: &Paint, gradients: &mut usize) -> Rgba {
    let channels = |color: usvg::Color, opacity: f32| {
        let [red, green, blue] = [color.red, color.green, color.blue];
        let [red, green, blue] = [red, green, blue].map(|channel| f32::from(channel) / 255.0);
        [red, green, blue, opacity]
    };
    let stops = match paint {
        Paint::Color(color) => return channels(*color, 1.0),
        Paint::LinearGradient(gradient) => gradient.stops(),
        Paint::RadialGradient(gradient) => gradient.stops(),
        Paint::Pattern(_) => &[],
    };
    *gradients += 1;
    if stops.is_empty() {
        return [0.5, 0.5, 0.5, 1.0];
    }
    let mut mean = [0.0; 4];
    for stop in stops {
        let stop = channels(stop.color(), stop.opacity().get());
        for (sum, channel) in mean.iter_mut().zip(stop) {
            *sum += channel / stops.len() as f32;
        }
    }
    mean
}

/// The control points of each part of a path that is drawn without lifting the pen: 1 + 3 n of n cubic segments.
fn curves(segments: impl Iterator<Item = PathSegment>, transform: Transform) -> Vec<Vec<Point>> {
    let mut all = Vec::new();
    let mut current: Vec<Position> = Vec::new();
    let mut start = Position::zero();
    for segment in segments {
        // After a closed part without a new start, the next one begins where that one did.
        if current.is_empty() && !matches!(segment, PathSegment::MoveTo(_)) {
            current.push(start);
        }
        let last = current.last().copied().unwrap_or(start);
        match segment {
            PathSegment::MoveTo(point) => {
                all.push(std::mem::replace(&mut current, vec![point]));
                start = point;
            }
            PathSegment::LineTo(point) => line(&mut current, last, point),
            PathSegment::QuadTo(control, point) => {
                let toward = |end: Position| between(end, control, 2.0 / 3.0);
                current.extend([toward(last), toward(point), point]);
            }
            PathSegment::CubicTo(first, second, point) => current.extend([first, second, point]),
            PathSegment::Close => {
                if last != start {
                    line(&mut current, last, start);
                }
                all.push(std::mem::take(&mut current));
            }
        }
    }
    all.push(current);
    let drawn = all.into_iter().filter(|points| points.len() > 1);
    drawn
        .map(|mut points| {
            transform.map_points(&mut points);
            points.into_iter().map(|point| [point.x, point.y]).collect()
        })
        .collect()
}

/// A line as a cubic segment.
fn line(points: &mut Vec<Position>, from: Position, to: Position) {
    points.extend([
        between(from, to, 1.0 / 3.0),
        between(from, to, 2.0 / 3.0),
        to,
    ]);
}

fn between(from: Position, to: Position, part: f32) -> Position {
    Position::from_xy(
        from.x + part * (to.x - from.x),
        from.y + part * (to.y - from.y),
    )
}
