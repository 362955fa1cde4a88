//! The distance from a rectangle, and the depth in a rounded one.

use super::offset::Outside;

/// The radius of the corners of a rounded rectangle, as a part of its shorter side.
const CORNER_RADIUS: f64 = 0.25;

/// How far a point with coordinates that are not negative is outside of a rectangle around the origin.
pub(super) fn outside(point: [f64; 2], half_size: [f64; 2]) -> Option<Outside> {
    Outside::from_vector([0, 1].map(|axis| (point[axis] - half_size[axis]).max(0.0)))
}

/// How deep a point with coordinates that are not negative is inside of a rounded rectangle around the origin: its
/// distance from everything outside of the rectangle.
///
/// Where two sides are equally near, the gradient is that of the left or right one.
pub(super) fn depth(point: [f64; 2], half_size: [f64; 2]) -> Option<Outside> {
    let radius = 2.0 * CORNER_RADIUS * half_size[0].min(half_size[1]);
    // The position relative to the center of the corner.
    let corner = [0, 1].map(|axis| point[axis] - half_size[axis] + radius);
    if corner[0] > 0.0 && corner[1] > 0.0 {
        let from_corner = corner[0].hypot(corner[1]);
        return (from_corner < radius).then(|| Outside {
            distance: radius - from_corner,
            direction: corner.map(|part| -part / from_corner),
        });
    }
    let (distance, direction) = if corner[0] >= corner[1] {
        (radius - corner[0], [-1.0, 0.0])
    } else {
        (radius - corner[1], [0.0, -1.0])
    };
    (distance > 0.0).then_some(Outside {
        distance,
        direction,
    })
}
