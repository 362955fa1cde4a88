//! The outlines of shapes as cubic segments.

use resvg::tiny_skia::{PathSegment, Point as Position};
use resvg::usvg::Transform;

use crate::scene::Point;

/// The control points of each part of a path that is drawn without lifting the pen: 1 + 3 n of n cubic segments. A part of
/// a single point that is not closed is not drawn.
pub(super) fn curves(
    segments: impl Iterator<Item = PathSegment>,
    transform: Transform,
) -> Vec<Vec<Point>> {
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
                // A part that is one point is a dot.
                if last != start || current.len() == 1 {
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
