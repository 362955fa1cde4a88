//! The penalty of a curve that leaves a region.

use super::shape::Region;
use crate::render::CenterPenalty;
use crate::scene::POINTS_PER_SEGMENT;

/// The number of equal steps of the parameter that a cubic segment is divided into. The penalty is taken at their ends.
///
/// In a segment as drawings start with, these are 1.3 pixels apart. A much longer segment can pass over a hole of a few pixels.
const PARTS: usize = 16;

/// Near the region, segments that are much shorter count as their control points, and longer ones more. In pixels of a 224 pixel
/// canvas.
const LONG_SEGMENT: f64 = 20.0;

/// The weights of the four control points of a segment at the start and after each of its parts (Bernstein polynomials).
const WEIGHTS: [[f64; 4]; PARTS + 1] = bernstein();

const fn bernstein() -> [[f64; 4]; PARTS + 1] {
    let mut weights = [[0.0; 4]; PARTS + 1];
    let mut part = 0;
    while part <= PARTS {
        let t = part as f64 / PARTS as f64;
        let s = 1.0 - t;
        weights[part] = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
        part += 1;
    }
    weights
}

/// The penalty of one stroke and its gradient with respect to the control points, all in canvas pixels.
///
/// With `f` the penalty of a position, `d` its distance beyond the margin of the region, `n` control points, `m` segments, and
/// `16 m` parts of lengths `l`, distances and lengths in pixels of a 224 pixel canvas, it is
///
/// ```text
/// 1/2 (sum of f over the control points) + 1/2 n / (16 m) (sum over the parts of f (1 + (16 l)^2 / (20^2 + d^2 / 2)))
/// ```
///
/// with the mean over both ends of a part. So a stroke of short segments that is everywhere equally far from the region has the
/// penalty of its control points. Far from the region, a longer segment counts as short.
///
/// Control points alone do not tell where a curve is: those of a curve that crosses a hole may all lie around the hole. The mean
/// along the curve does, but is lower if the curve passes the hole quickly or goes far beyond it, which moves the ends apart and
/// leaves the stroke across. The integral over the length is not lower then, but nor is it higher: ends that lie inside the region
/// are not moved. The square of the speed in the hole is lower the nearer the ends are to each other, so it draws them into
/// the hole, and then out of it on one side.
///
/// Far from the region, however, length would be lost before strokes move: they would shrink to dots, whose way is no shorter.
/// A stroke across a hole is longer than it is deep in the hole, a stroke far outside is shorter than its distance. So it is
/// the ratio of length and distance that counts.
pub(in crate::draw::objective) fn curve_penalty(
    penalty: &CenterPenalty,
    region: &Region,
    points: &[[f64; 2]],
) -> (f64, Vec<[f64; 2]>) {
    let half = 0.5 * penalty.weight;
    let mut gradient = vec![[0.0; 2]; points.len()];
    let mut value = 0.0;
    for (point, slope) in points.iter().zip(&mut gradient) {
        let found = position_penalty(penalty, region, *point);
        value += half * found.value;
        add(slope, half * found.rate, found.direction);
    }
    let segments = points.len() / POINTS_PER_SEGMENT;
    let part_weight = half * points.len() as f64 / (segments * PARTS) as f64;
    for segment in 0..segments {
        let first = segment * POINTS_PER_SEGMENT;
        let control = first..=first + POINTS_PER_SEGMENT;
        let places = places_along(&points[control.clone()]);
        let (sum, slopes) = sum_over_parts(penalty, region, &places);
        value += part_weight * sum;
        for (weights, slope) in WEIGHTS.iter().zip(slopes) {
            for (sum, weight) in gradient[control.clone()].iter_mut().zip(weights) {
                add(sum, weight * part_weight, slope);
            }
        }
    }
    (value, gradient)
}

/// The penalty of a position with a weight of 1.
struct PositionPenalty {
    /// The distance beyond the margin in pixels of a 224 pixel canvas, 0 inside.
    excess: f64,
    value: f64,
    /// The derivative of the value with respect to the excess.
    rate: f64,
    /// The gradient of the excess with respect to the position in canvas pixels.
    direction: [f64; 2],
}

fn position_penalty(
    penalty: &CenterPenalty,
    region: &Region,
    position: [f64; 2],
) -> PositionPenalty {
    let origin = region.origin(penalty.center);
    let outside =
        region.outside([0, 1].map(|axis| (position[axis] - origin[axis]) / penalty.scale));
    let Some(outside) = outside.filter(|outside| outside.distance > penalty.threshold) else {
        return PositionPenalty {
            excess: 0.0,
            value: 0.0,
            rate: 0.0,
            direction: [0.0; 2],
        };
    };
    let excess = outside.distance - penalty.threshold;
    PositionPenalty {
        excess,
        value: excess.powf(penalty.power),
        rate: penalty.power * excess.powf(penalty.power - 1.0),
        direction: outside.direction.map(|part| part / penalty.scale),
    }
}

/// The positions at the start of a segment and after each of its parts.
fn places_along(control: &[[f64; 2]]) -> [[f64; 2]; PARTS + 1] {
    WEIGHTS.map(|weights| {
        let parts = control.iter().zip(weights);
        parts.fold([0.0; 2], |mut position, (point, weight)| {
            add(&mut position, weight, *point);
            position
        })
    })
}

/// The penalty of each part of a segment times its weight, summed, and the gradient with respect to each place.
fn sum_over_parts(
    penalty: &CenterPenalty,
    region: &Region,
    places: &[[f64; 2]; PARTS + 1],
) -> (f64, [[f64; 2]; PARTS + 1]) {
    let found = places.map(|place| position_penalty(penalty, region, place));
    // Turns the length of a part into that of a segment of such parts, in pixels of a 224 pixel canvas.
    let scale = PARTS as f64 / penalty.scale;
    let mut value = 0.0;
    let mut gradient = [[0.0; 2]; PARTS + 1];
    for before in 0..PARTS {
        let after = before + 1;
        let part = [0, 1].map(|axis| places[after][axis] - places[before][axis]);
        let squared_length = scale * scale * (part[0] * part[0] + part[1] * part[1]);
        for place in [before, after] {
            let PositionPenalty {
                excess,
                value: at_place,
                rate,
                direction,
            } = found[place];
            let squared_unit = LONG_SEGMENT * LONG_SEGMENT + 0.5 * excess * excess;
            let weight = 1.0 + squared_length / squared_unit;
            value += 0.5 * weight * at_place;
            // The distance is in the weight, too.
            let fall = excess * (weight - 1.0) / squared_unit;
            let by_distance = 0.5 * (weight * rate - fall * at_place);
            add(&mut gradient[place], by_distance, direction);
            let by_length = scale * scale * at_place / squared_unit;
            add(&mut gradient[before], -by_length, part);
            add(&mut gradient[after], by_length, part);
        }
    }
    (value, gradient)
}

/// Adds `weight` times `other`.
fn add(sum: &mut [f64; 2], weight: f64, other: [f64; 2]) {
    for (sum, part) in sum.iter_mut().zip(other) {
        *sum += weight * part;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Extent, Mask};
    use super::*;
    use crate::scene::Canvas;

    const POWER: f64 = 2.0;

    /// Of a coordinate, for differences.
    const CHANGE: f64 = 1e-6;

    fn penalty(threshold: f64, power: f64, scale: f64) -> CenterPenalty {
        CenterPenalty {
            center: [112.0 * scale, 112.0 * scale],
            scale,
            threshold,
            power,
            weight: 0.5,
        }
    }

    /// White where a pixel of a canvas of 224 pixels is free.
    fn mask(is_free: impl Fn(f32, f32) -> bool) -> Region {
        let pixels: Vec<f32> = (0..224 * 224)
            .map(|index| [index % 224, index / 224].map(|part| part as f32 + 0.5))
            .map(|[x, y]| if is_free(x, y) { 1.0 } else { 0.0 })
            .collect();
        Region::Mask(Arc::new(
            Mask::new(224, &pixels, &Canvas::default()).unwrap(),
        ))
    }

    fn hole(radius: f32) -> Region {
        mask(move |x, y| (x - 112.0).hypot(y - 112.0) > radius)
    }

    fn frame() -> Region {
        Region::Frame(Extent {
            size: [60.0, 50.0],
            rotation: 0.0,
        })
    }

    /// The distance of a position on the canvas from a region.
    fn distance(region: &Region, position: [f64; 2]) -> f64 {
        let origin = region.origin([112.0; 2]);
        let outside = region.outside([0, 1].map(|axis| position[axis] - origin[axis]));
        outside.map_or(0.0, |outside| outside.distance)
    }

    #[test]
    fn a_curve_outside_has_a_penalty_though_all_its_control_points_are_inside() {
        let across = [[60.0, 110.0], [80.0, 111.0], [146.0, 112.0], [166.0, 110.0]];
        let arch = [[60.0, 160.0], [80.0, 70.0], [150.0, 60.0], [165.0, 160.0]];
        let pieces = mask(|x, _| !(90.0..135.0).contains(&x));
        let ring = mask(|x, y| (20.0..100.0).contains(&(x - 112.0).hypot(y - 112.0)));
        // Free are the corners, where the control points are.
        let corners = mask(|x, y| y > 150.0 || (y < 75.0 && !(85.0..145.0).contains(&x)));
        for (name, region, points) in [
            ("hole", hole(20.0), across),
            ("ring", ring, across),
            ("pieces", pieces, across),
            ("frame", frame(), across),
            ("corners", corners, arch),
        ] {
            for point in points {
                assert_eq!(distance(&region, point), 0.0, "{name} {point:?}");
            }
            let (value, gradient) = curve_penalty(&penalty(0.0, POWER, 1.0), &region, &points);
            assert!(value > 10.0, "{name}: {value}");
            assert!(
                gradient.as_flattened().iter().any(|slope| *slope != 0.0),
                "{name}"
            );
        }
    }

    #[test]
    fn a_hole_of_a_few_pixels_is_found_wherever_a_segment_crosses_it() {
        let region = hole(3.0);
        // As long as a segment of a drawing usually is, and twice as long.
        for length in [20.0, 40.0] {
            for start in 0..10 {
                let left = 112.0 - length * (0.25 + 0.05 * f64::from(start));
                let points = [0.0, 0.3, 0.7, 1.0].map(|part| [left + part * length, 112.5]);
                let (value, _) = curve_penalty(&penalty(0.0, POWER, 1.0), &region, &points);
                assert!(value > 0.0, "{length} {left}");
            }
        }
    }

    #[test]
    fn a_short_curve_that_is_everywhere_equally_far_counts_as_its_control_points() {
        let region = Region::Rectangle(Extent {
            size: [100.0, 60.0],
            rotation: 0.0,
        });
        for (segments, scale) in [(1, 1.0), (2, 1.0), (3, 2.5)] {
            let points: Vec<_> = (0..=3 * segments)
                .map(|index| [(112.0 + 0.05 * f64::from(index)) * scale, 152.0 * scale])
                .collect();
            let penalty = penalty(4.0, 3.0, scale);
            let (value, gradient) = curve_penalty(&penalty, &region, &points);
            // 10 pixels below the rectangle, 6 beyond the margin.
            let expected = 0.5 * 6.0_f64.powi(3) * points.len() as f64;
            assert!((value - expected).abs() < 1e-4 * expected, "{value}");
            let sum: f64 = gradient.iter().map(|slope| slope[1]).sum();
            let expected = 0.5 * 3.0 * 36.0 * points.len() as f64 / scale;
            assert!((sum - expected).abs() < 1e-4 * expected, "{sum}");
        }
    }

    #[test]
    fn a_hole_is_not_cheaper_for_a_curve_that_passes_it_quickly() {
        let region = hole(20.0);
        let across = |half: f64| {
            let points = [-1.0, -0.45, 0.45, 1.0].map(|part| [112.0 + part * half, 115.0]);
            curve_penalty(&penalty(0.0, POWER, 1.0), &region, &points).0
        };
        // The control points of both are outside of the hole. The mean along the curve is a half for the second one.
        let [slowly, quickly] = [50.0, 100.0].map(across);
        assert!(slowly > 0.0 && quickly > slowly, "{slowly} {quickly}");
    }

    #[test]
    fn the_ends_of_a_curve_across_a_hole_are_drawn_into_it() {
        let points = [-60.0, -20.0, 20.0, 60.0].map(|x| [112.0 + x, 115.0]);
        let (_, gradient) = curve_penalty(&penalty(0.0, POWER, 1.0), &hole(20.0), &points);
        assert!(
            gradient[0][0] < -1.0 && gradient[3][0] > 1.0,
            "{gradient:?}"
        );
    }

    #[test]
    fn a_stroke_far_outside_is_moved_rather_than_shrunk() {
        let region = Region::Rectangle(Extent {
            size: [100.0, 60.0],
            rotation: 0.0,
        });
        // As long as a segment of a drawing usually is, 100 pixels below the rectangle.
        let points = [-10.0, -3.0, 3.0, 10.0].map(|x| [112.0 + x, 242.0]);
        let (_, gradient) = curve_penalty(&penalty(0.0, POWER, 1.0), &region, &points);
        for [along, outward] in &gradient {
            assert!(*outward > along.abs(), "{gradient:?}");
        }
    }

    #[test]
    fn a_stroke_without_a_length_has_the_penalty_of_its_control_points() {
        let points = [[112.0, 115.0]; 4];
        let depth = distance(&hole(20.0), points[0]);
        let (value, gradient) = curve_penalty(&penalty(0.0, POWER, 1.0), &hole(20.0), &points);
        let expected = 0.5 * 4.0 * depth * depth;
        assert!((value - expected).abs() < 1e-9 * expected, "{value}");
        for slope in gradient {
            assert!(slope[0].hypot(slope[1]) > 0.0);
        }
    }

    #[test]
    fn the_gradient_matches_central_differences_for_every_region() {
        let extent = Extent {
            size: [90.0, 50.0],
            rotation: 20.0,
        };
        let walk = |points: usize, scale: f64| -> Vec<[f64; 2]> {
            let places = (0..points).map(|index| {
                let index = index as f64;
                [
                    (110.3 + 90.1 * (1.7 * index).sin()) * scale,
                    (109.1 + 83.7 * (2.3 * index + 0.4).cos()) * scale,
                ]
            });
            places.collect()
        };
        let blobs = mask(|x, y| (x * 0.05).sin() * (y * 0.07).cos() > 0.1);
        for region in [
            Region::Circle,
            Region::Ellipse(extent),
            Region::Rectangle(extent),
            Region::Frame(extent),
            hole(30.0),
            blobs,
        ] {
            for (threshold, power, scale) in [(0.0, 2.0, 1.0), (4.0, 1.0, 2.3), (2.0, 3.5, 0.7)] {
                let penalty = penalty(threshold, power, scale);
                for count in [4, 7, 10] {
                    assert_gradient(&penalty, &region, &walk(count, scale));
                }
            }
        }
    }

    /// Compares every component of the gradient with central differences.
    fn assert_gradient(penalty: &CenterPenalty, region: &Region, points: &[[f64; 2]]) {
        let (value, gradient) = curve_penalty(penalty, region, points);
        assert!(value > 0.0, "{region:?}");
        let slopes = gradient.as_flattened().iter();
        let largest = slopes.fold(0.0_f64, |most, slope| most.max(slope.abs()));
        for (index, found) in gradient.as_flattened().iter().enumerate() {
            let [after, before] = [CHANGE, -CHANGE].map(|change| {
                let mut moved = points.to_vec();
                moved.as_flattened_mut()[index] += change;
                curve_penalty(penalty, region, &moved).0
            });
            let expected = (after - before) / (2.0 * CHANGE);
            assert!(
                (found - expected).abs() < 1e-6 * largest,
                "{region:?} {} {index}: {found}, expected {expected}",
                points.len()
            );
        }
    }
}
