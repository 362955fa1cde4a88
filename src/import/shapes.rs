//! The shapes of any SVG as strokes.
//!
//! Lines, quadratic curves and closed paths become cubic segments. The outline of a shape that is only filled becomes a
//! stroke of its colour. What strokes cannot show is left out, with a note.

use resvg::tiny_skia::{PathSegment, Point as Position, Rect};
use resvg::usvg::{self, Group, LineCap, LineJoin, Node, Path, Stroke, Transform};

use super::changes::Changes;
use super::clip;
use super::curves::curves;
use super::paint::color;
use super::vector_effect;
use crate::scene::start::MAX_SEGMENTS;
use crate::scene::{POINTS_PER_SEGMENT, Point, Rgb, Rgba, Strokes};

/// The width of an outline, as a part of the picture's shorter side: 2 pixels of a 224 pixel canvas. The ends of strokes that
/// are not wider look the same in any shape.
const OUTLINE_WIDTH: f32 = 2.0 / 224.0;

/// Strokes farther from the picture than this many times its longer side are left out.
const MAX_DISTANCE: f32 = 8.0;

/// How many times as wide as in another direction a stroke may be without a note.
const MAX_STRETCH: f32 = 1.1;

/// What was found in an SVG.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The strokes, in units of the SVG's own size; not more than the limit.
    pub(super) strokes: Strokes,
    /// How many strokes there are, also beyond the limit.
    pub(super) count: usize,
    /// The color of the rectangle behind everything.
    pub(super) paper: Option<Rgb>,
    /// How many of several things became something else or were left out.
    pub(super) changes: Changes,
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
            paper: None,
            changes,
        },
    };
    let outer = Outer {
        opacity: 1.0,
        transform: Transform::identity(),
        seen: Rect::from_xywh(0.0, 0.0, size[0], size[1]),
        within: None,
    };
    reader.group(tree.root(), outer);
    reader.shapes
}

struct Reader {
    size: [f32; 2],
    limit: usize,
    /// Whether no shape was read yet.
    is_first: bool,
    shapes: Shapes,
}

/// What the groups around a group do to it.
#[derive(Clone, Copy)]
struct Outer {
    opacity: f32,
    /// From units of the group to those of the picture.
    transform: Transform,
    /// The part of the picture that is seen: a clip path cuts only there.
    seen: Option<Rect>,
    /// What is outside of this rectangle is cut off.
    within: Option<Rect>,
}

/// How a stroke looks.
#[derive(Clone, Copy)]
struct Look {
    color: Rgba,
    width: f32,
    /// Whether a stroke without a length is a dot.
    has_dots: bool,
}

impl Reader {
    fn group(&mut self, group: &Group, outer: Outer) {
        let opacity = outer.opacity * group.opacity().get();
        let transform = outer.transform.pre_concat(group.transform());
        let (mut seen, mut within) = (outer.seen, outer.within);
        let mut has_layer = group.mask().is_some()
            || !group.filters().is_empty()
            || group.blend_mode() != usvg::BlendMode::Normal;
        if let Some(area) = clip::rectangle(group, transform) {
            let inside = seen.and_then(|seen| clip::common(seen, group.abs_stroke_bounding_box()));
            has_layer |= inside.is_some_and(|inside| {
                clip::common(area, inside).is_some() && !clip::contains(area, inside)
            });
            seen = seen.and_then(|seen| clip::common(seen, area));
            within = within.map_or(Some(area), |within| clip::common(within, area));
            if within.is_none() {
                return;
            }
        } else {
            has_layer |= group.clip_path().is_some();
        }
        self.shapes.changes.layers += usize::from(has_layer);
        let inside = Outer {
            opacity,
            transform,
            seen,
            within,
        };
        for node in group.children() {
            match node {
                Node::Group(inner) => self.group(inner, inside),
                Node::Path(path) if path.is_visible() && !is_outside(path, within) => {
                    self.path(path, opacity);
                }
                Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
            }
        }
    }

    fn path(&mut self, path: &Path, opacity: f32) {
        let is_first = std::mem::take(&mut self.is_first);
        if is_first && self.is_paper(path) {
            self.shapes.changes.papers += 1;
            self.shapes.paper = self.fill(path, opacity).map(on_white);
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

    /// The color of the area of a shape, if it has one.
    fn fill(&mut self, path: &Path, opacity: f32) -> Option<Rgba> {
        let fill = path.fill()?;
        let color = color(fill.paint(), &mut self.shapes.changes.gradients);
        Some(with_opacity(color, fill.opacity().get() * opacity))
    }

    fn look(&mut self, path: &Path, opacity: f32) -> Option<Look> {
        let is_filled = path
            .fill()
            .is_some_and(|fill| fill.opacity().get() > 0.0 && has_area(path));
        // A stroke that nobody sees does not hide that the shape is filled.
        let stroke = path
            .stroke()
            .filter(|stroke| stroke.opacity().get() > 0.0 || !is_filled);
        if let Some(stroke) = stroke {
            self.shapes.changes.fills += usize::from(is_filled);
            return Some(self.stroke_look(path, stroke, opacity));
        }
        if !is_filled {
            return None;
        }
        let color = self.fill(path, opacity)?;
        self.shapes.changes.outlines += 1;
        Some(Look {
            color,
            width: self.outline_width(),
            has_dots: false,
        })
    }

    fn stroke_look(&mut self, path: &Path, stroke: &Stroke, opacity: f32) -> Look {
        let [least, most] = scales(path.abs_transform());
        let is_fixed = vector_effect::is_on(stroke);
        let scale = if is_fixed { 1.0 } else { (least * most).sqrt() };
        let width = stroke.width().get() * scale;
        let is_wide = width > self.outline_width();
        let changes = &mut self.shapes.changes;
        changes.dashes += usize::from(stroke.dasharray().is_some());
        changes.ends += usize::from(is_wide && !is_round(path, stroke));
        changes.stretched += usize::from(is_wide && !is_fixed && most > MAX_STRETCH * least);
        let color = color(stroke.paint(), &mut changes.gradients);
        Look {
            color: with_opacity(color, stroke.opacity().get() * opacity),
            width,
            has_dots: stroke.linecap() != LineCap::Butt,
        }
    }

    fn outline_width(&self) -> f32 {
        OUTLINE_WIDTH * self.size[0].min(self.size[1])
    }

    fn outline(&mut self, path: &Path, look: Look) {
        let transform = path.abs_transform();
        for points in curves(path.data().segments(), transform) {
            if !look.has_dots && points.iter().all(|point| *point == points[0]) {
                continue;
            }
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

/// Whether all of a path is cut off.
fn is_outside(path: &Path, within: Option<Rect>) -> bool {
    let area = path.abs_stroke_bounding_box();
    within.is_some_and(|within| {
        area.right() < within.left()
            || area.left() > within.right()
            || area.bottom() < within.top()
            || area.top() > within.bottom()
    })
}

/// The factors by which a transform multiplies lengths, in the directions in which they are smallest and largest.
fn scales(transform: Transform) -> [f32; 2] {
    let Transform { sx, kx, ky, sy, .. } = transform;
    // The singular values of the matrix.
    let both = (sx + sy).hypot(ky - kx);
    let other = (sx - sy).hypot(ky + kx);
    [0.5 * (both - other).abs(), 0.5 * (both + other)]
}

/// Whether a stroke looks as one with round ends and corners.
fn is_round(path: &Path, stroke: &Stroke) -> bool {
    let (mut ends, mut lines, mut is_open) = (false, 0, false);
    for segment in path.data().segments() {
        match segment {
            PathSegment::MoveTo(_) => {
                ends |= is_open;
                is_open = true;
            }
            PathSegment::LineTo(_) => lines += 1,
            PathSegment::Close => {
                is_open = false;
                lines += 1;
            }
            PathSegment::QuadTo(..) | PathSegment::CubicTo(..) => {}
        }
    }
    let has_ends = ends || is_open;
    // Between curves there is a corner only where they do not go on smoothly.
    let has_corners = lines > 1 || (lines > 0 && path.data().len() > 2);
    (stroke.linecap() == LineCap::Round || !has_ends)
        && (stroke.linejoin() == LineJoin::Round || !has_corners)
}

/// Whether the points of a path are not all on one line.
fn has_area(path: &Path) -> bool {
    let points = path.data().points();
    let vectors = || points.iter().map(|point| *point - points[0]);
    let length = |vector: Position| vector.x.hypot(vector.y);
    let Some(longest) = vectors().max_by(|a, b| length(*a).total_cmp(&length(*b))) else {
        return false;
    };
    let least = 1e-4 * length(longest) * length(longest);
    vectors().any(|vector| (longest.x * vector.y - longest.y * vector.x).abs() > least)
}

fn with_opacity([red, green, blue, alpha]: Rgba, opacity: f32) -> Rgba {
    [red, green, blue, (alpha * opacity).clamp(0.0, 1.0)]
}

/// The nearest opaque color that looks the same on white paper.
fn on_white([red, green, blue, alpha]: Rgba) -> Rgb {
    Rgb::nearest([red, green, blue].map(|channel| channel * alpha + 1.0 - alpha))
}
