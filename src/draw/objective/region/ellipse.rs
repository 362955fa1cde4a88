//! The distance from an ellipse.

use super::offset::Outside;

/// More steps than Newton's method needs from the start that is used here: at most 12 for sizes and distances from 1e-4 to 1e4.
const MAX_ITERATIONS: usize = 50;

/// How far a point with coordinates that are not negative is outside of an ellipse around the origin with these semi-axes.
///
/// The nearest point of the ellipse is `axis^2 * coordinate / (axis^2 + t)` on each axis, where `t` is the only positive
/// root of `sum (axis * coordinate / (axis^2 + t))^2 - 1` (Eberly 2013, "Distance from a Point to an Ellipse, an
/// Ellipsoid, or a Hyperellipsoid"). That function falls and is convex, so Newton's method from a value below the root
/// grows to it without a step too far.
pub(super) fn outside(point: [f64; 2], axes: [f64; 2]) -> Option<Outside> {
    let products = [0, 1].map(|axis| axes[axis] * point[axis]);
    let squares = axes.map(|axis| axis * axis);
    // The function and minus its derivative.
    let evaluate = |t: f64| {
        [0, 1].iter().fold((-1.0, 0.0), |(value, slope), &axis| {
            let sum = squares[axis] + t;
            let part = (products[axis] / sum).powi(2);
            (value + part, slope + 2.0 * part / sum)
        })
    };
    if evaluate(0.0).0 <= 0.0 {
        return None;
    }
    // Where one summand alone is 1, the function is not negative.
    let mut t = [0, 1]
        .map(|axis| products[axis] - squares[axis])
        .into_iter()
        .fold(0.0, f64::max);
    for _ in 0..MAX_ITERATIONS {
        let (value, slope) = evaluate(t);
        let next = t + value / slope;
        if next <= t {
            break;
        }
        t = next;
    }
    let vector = [0, 1].map(|axis| point[axis] * t / (squares[axis] + t));
    Outside::from_vector(vector)
}
