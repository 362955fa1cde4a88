//! The centre constraint: a penalty that grows with the distance of control points from a centre and is zero inside a radius
//! (evilstreak/clipdraw, `predict.py`), or with the distance of curves from a region around the centre.

use super::region::{Region, curve_penalty};
use super::term::{StrokePart, Term};
use crate::render::CenterPenalty;
use crate::scene::{Canvas, StrokeGradient, Strokes};

/// The penalty on strokes that are far from a centre, or outside of a [`Region`] around it.
///
/// For a circle, the control points count: a curve lies in their convex hull, so it is in the circle if they are. For the other
/// regions, the control points and the curve count. The width of a stroke never does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CenterConstraint {
    /// The centre as fractions of the canvas width and height.
    pub position: [f64; 2],
    /// The distance from the region without penalty, in pixels of a 224 pixel canvas; for a circle, its radius.
    pub threshold: f64,
    /// The exponent of the distance beyond the threshold, at least 1.
    pub power: f64,
    /// The weight of the penalty; 0 turns it off.
    pub weight: f64,
}

impl Default for CenterConstraint {
    /// The defaults of the replaced program.
    fn default() -> Self {
        Self {
            position: [0.5, 0.5],
            threshold: 75.0,
            power: 2.0,
            weight: 0.001,
        }
    }
}

/// The term.
#[derive(Debug, Clone)]
pub(super) struct Center {
    constraint: CenterConstraint,
    region: Region,
}

impl Center {
    pub(super) fn new(constraint: CenterConstraint, region: Region) -> Self {
        Self { constraint, region }
    }
}

impl Term for Center {
    fn name(&self) -> &'static str {
        "centre"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn on_strokes(&self, strokes: &Strokes, canvas: &Canvas, gradient: &mut StrokeGradient) -> f64 {
        let penalty = self.constraint.penalty(canvas, strokes.len());
        match &self.region {
            Region::Circle => add_penalty(&penalty, strokes, gradient),
            region => add_region_penalty(&penalty, region, strokes, gradient),
        }
    }

    fn stroke_part(&self, canvas: &Canvas, strokes: usize) -> StrokePart {
        match self.region {
            Region::Circle => StrokePart::Penalty(self.constraint.penalty(canvas, strokes)),
            _ if self.constraint.weight == 0.0 => StrokePart::Independent,
            _ => StrokePart::Host,
        }
    }
}

impl CenterConstraint {
    /// The penalty in canvas pixels: `sum relu(distance - threshold)^power * weight / strokes`, distances in pixels of a
    /// 224 pixel canvas.
    fn penalty(&self, canvas: &Canvas, strokes: usize) -> CenterPenalty {
        CenterPenalty {
            center: [
                self.position[0] * f64::from(canvas.width),
                self.position[1] * f64::from(canvas.height),
            ],
            scale: f64::from(canvas.scale()),
            threshold: self.threshold,
            power: self.power,
            weight: self.weight / strokes.max(1) as f64,
        }
    }
}

/// Adds the penalty's gradient for every control point to `gradient.points` and returns its value.
///
/// Inside the radius, and so at distance zero, the gradient is exactly zero: squared distances are
/// compared, so the square root of zero is never taken.
fn add_penalty(penalty: &CenterPenalty, strokes: &Strokes, gradient: &mut StrokeGradient) -> f64 {
    let CenterPenalty {
        center,
        scale,
        threshold,
        power,
        weight,
    } = *penalty;
    let mut value = 0.0;
    for (point, derivative) in strokes.points.iter().zip(&mut gradient.points) {
        let offset = [0, 1].map(|axis| (f64::from(point[axis]) - center[axis]) / scale);
        let squared = offset[0] * offset[0] + offset[1] * offset[1];
        if squared > threshold * threshold {
            let distance = squared.sqrt();
            let excess = distance - threshold;
            value += weight * excess.powf(power);
            let rate = weight * power * excess.powf(power - 1.0);
            for axis in 0..2 {
                derivative[axis] += (rate * offset[axis] / (distance * scale)) as f32;
            }
        }
    }
    value
}

/// As [`add_penalty`], outside of a region and along the curves of strokes.
fn add_region_penalty(
    penalty: &CenterPenalty,
    region: &Region,
    strokes: &Strokes,
    gradient: &mut StrokeGradient,
) -> f64 {
    let mut value = 0.0;
    for stroke in 0..strokes.len() {
        let points = strokes.points_of(stroke).iter();
        let points: Vec<_> = points.map(|point| point.map(f64::from)).collect();
        let (penalty, slopes) = curve_penalty(penalty, region, &points);
        value += penalty;
        let derivatives = &mut gradient.points[strokes.point_range(stroke)];
        for (derivative, slope) in derivatives.iter_mut().zip(slopes) {
            for axis in 0..2 {
                derivative[axis] += slope[axis] as f32;
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::objective::region::Extent;

    fn constraint(threshold: f64, power: f64) -> CenterConstraint {
        CenterConstraint {
            position: [0.5, 0.5],
            threshold,
            power,
            weight: 0.5,
        }
    }

    fn strokes() -> Strokes {
        let mut strokes = Strokes::new();
        strokes.push(
            &[[150.0, 100.0], [112.0, 112.0], [-40.0, 300.0], [224.0, 8.0]],
            1.0,
            [0.5; 4],
        );
        strokes.push(
            &[[100.0, 400.0], [120.0, 40.0], [0.0, 0.0], [90.0, 99.0]],
            1.0,
            [0.5; 4],
        );
        strokes
    }

    fn penalty(constraint: &CenterConstraint, canvas: &Canvas, strokes: &Strokes) -> f64 {
        add_penalty(
            &constraint.penalty(canvas, strokes.len()),
            strokes,
            &mut StrokeGradient::zeros_for(strokes),
        )
    }

    #[test]
    fn the_penalty_is_the_one_of_the_replaced_program() {
        // Only (224, 8) with distance 152.6 and its counterpart count; calculated by hand for two
        // points.
        let mut strokes = Strokes::new();
        strokes.push(
            &[
                [112.0, 112.0],
                [112.0, 12.0],
                [212.0, 112.0],
                [112.0, 187.0],
            ],
            1.0,
            [0.5; 4],
        );
        let value = penalty(&constraint(75.0, 2.0), &Canvas::default(), &strokes);
        assert!(
            (value - 0.5 * (25.0_f64.powi(2) * 2.0)).abs() < 1e-9,
            "{value}"
        );
    }

    /// The central difference of the penalty for one coordinate.
    fn difference(constraint: &CenterConstraint, canvas: &Canvas, place: (usize, usize)) -> f64 {
        let [above, below] = [0.01_f32, -0.01].map(|change| {
            let mut moved = strokes();
            moved.points[place.0][place.1] += change;
            penalty(constraint, canvas, &moved)
        });
        (above - below) / 0.02
    }

    #[test]
    fn the_gradient_matches_central_differences() {
        let wide = Canvas {
            width: 448,
            height: 300,
            ..Canvas::default()
        };
        let cases = [(75.0, 2.0), (20.0, 1.0), (0.0, 3.5), (60.0, 1.5)];
        for (canvas, (threshold, power)) in [Canvas::default(), wide]
            .into_iter()
            .flat_map(|canvas| cases.map(|case| (canvas, case)))
        {
            let constraint = constraint(threshold, power);
            let mut gradient = StrokeGradient::zeros_for(&strokes());
            let penalty = constraint.penalty(&canvas, strokes().len());
            add_penalty(&penalty, &strokes(), &mut gradient);
            for (index, derivative) in gradient.points.as_flattened().iter().enumerate() {
                let place = (index / 2, index % 2);
                let expected = difference(&constraint, &canvas, place);
                let error = (f64::from(*derivative) - expected).abs();
                assert!(
                    error <= 2e-3 * expected.abs().max(0.05),
                    "{place:?}: {derivative}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn the_penalty_of_a_region_is_that_of_the_curve_of_each_stroke() {
        let region = Region::Frame(Extent {
            size: [90.0, 50.0],
            rotation: 20.0,
        });
        let strokes = strokes();
        let penalty = constraint(3.0, 2.0).penalty(&Canvas::default(), strokes.len());
        let mut gradient = StrokeGradient::zeros_for(&strokes);
        gradient.points[5] = [1.0, 2.0];
        let found = add_region_penalty(&penalty, &region, &strokes, &mut gradient);
        let mut expected = 0.0;
        for stroke in 0..2 {
            let points = strokes.points_of(stroke).iter();
            let points: Vec<_> = points.map(|point| point.map(f64::from)).collect();
            let (value, slopes) = curve_penalty(&penalty, &region, &points);
            assert!(value > 0.0);
            expected += value;
            for (index, slope) in slopes.iter().enumerate() {
                let before = [[0.0; 2], [1.0, 2.0]][usize::from((stroke, index) == (1, 1))];
                let sum = [0, 1].map(|axis| before[axis] + slope[axis] as f32);
                assert_eq!(gradient.points[4 * stroke + index], sum);
            }
        }
        assert!((found - expected).abs() < 1e-12);
        assert!(
            gradient
                .half_widths
                .iter()
                .chain(gradient.colors.as_flattened())
                .all(|derivative| *derivative == 0.0)
        );
    }

    #[test]
    fn only_the_circle_stays_on_a_device() {
        let extent = Extent {
            size: [90.0, 50.0],
            rotation: 0.0,
        };
        let part = |region, weight| {
            let constraint = CenterConstraint {
                weight,
                ..CenterConstraint::default()
            };
            Center::new(constraint, region).stroke_part(&Canvas::default(), 2)
        };
        assert!(matches!(part(Region::Circle, 0.5), StrokePart::Penalty(_)));
        assert_eq!(part(Region::Ellipse(extent), 0.5), StrokePart::Host);
        assert_eq!(part(Region::Frame(extent), 0.0), StrokePart::Independent);
    }

    #[test]
    fn a_point_on_the_centre_has_no_gradient_and_no_nan() {
        let mut strokes = Strokes::new();
        strokes.push(&[[112.0, 112.0]; 4], 1.0, [0.5; 4]);
        for power in [1.0, 1.5, 2.0] {
            let mut gradient = StrokeGradient::zeros_for(&strokes);
            let penalty = constraint(0.0, power).penalty(&Canvas::default(), 1);
            let value = add_penalty(&penalty, &strokes, &mut gradient);
            assert_eq!(value, 0.0);
            assert!(
                gradient
                    .points
                    .iter()
                    .flatten()
                    .all(|derivative| *derivative == 0.0)
            );
        }
    }
}
