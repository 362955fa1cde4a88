//! Adam for all numbers of all strokes.
//!
//! A renderer that keeps strokes on its device repeats this arithmetic there (`render/cuda/kernels/update.cu`).

use crate::scene::{StrokeGradient, Strokes};

/// Decay of the mean of gradients (PyTorch's default, Kingma & Ba 2015, algorithm 1).
pub const BETA_1: f64 = 0.9;
/// Decay of the mean of squared gradients (same).
pub const BETA_2: f64 = 0.999;
/// Added to the root of the second moment (same).
pub const EPSILON: f64 = 1e-8;

/// Adam's moments for every control point, half width and colour, in this order.
///
/// They are double precision because the square of a large gradient overflows single precision,
/// and dividing by that infinity would silently stop the stroke.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// The means of the gradients, in canvas pixels and units of color.
    pub means: Vec<f64>,
    /// The means of the squared gradients.
    pub squares: Vec<f64>,
    /// The updates so far.
    pub updates: i32,
}

/// Learning rates of one step. Numbers with a rate of 0 are fixed: they keep their values exactly, whatever their gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Of control points, in canvas pixels.
    pub points: f32,
    /// Of half widths, in canvas pixels.
    pub half_widths: f32,
    /// Of red, green and blue.
    pub colors: f32,
    /// Of opacities.
    pub opacities: f32,
    /// Whether all colours share one second moment: the mean of their squared gradients.
    pub colors_by_one_measure: bool,
}

/// What the moments after a number of updates, at least 1, are divided by, because both start at zero: the first
/// moment's factor, and the root of the second one's.
pub fn bias_corrections(updates: i32) -> [f64; 2] {
    [
        1.0 - BETA_1.powi(updates),
        (1.0 - BETA_2.powi(updates)).sqrt(),
    ]
}

impl Adam {
    /// An optimizer of the strokes that are moved, which has not seen a gradient yet.
    pub fn new(strokes: &Strokes) -> Self {
        let moving = strokes.moving();
        let numbers = 2 * strokes.first_point(moving) + 5 * moving;
        Self {
            means: vec![0.0; numbers],
            squares: vec![0.0; numbers],
            updates: 0,
        }
    }

    /// Moves every number of the strokes that are moved against its gradient.
    pub fn descend(&mut self, strokes: &mut Strokes, gradient: &StrokeGradient, rates: Rates) {
        self.updates += 1;
        let [correction_1, correction_2] = bias_corrections(self.updates);
        let moving = strokes.moving();
        let points = strokes.first_point(moving);
        let groups = [
            (
                strokes.points[..points].as_flattened_mut(),
                gradient.points.as_flattened(),
                [rates.points; 4],
                false,
            ),
            (
                &mut strokes.half_widths[..moving],
                &gradient.half_widths[..],
                [rates.half_widths; 4],
                false,
            ),
            (
                strokes.colors[..moving].as_flattened_mut(),
                gradient.colors.as_flattened(),
                [rates.colors, rates.colors, rates.colors, rates.opacities],
                rates.colors_by_one_measure,
            ),
        ];
        let mut start = 0;
        for (values, slopes, rates, one_measure) in groups {
            let group = start..start + values.len();
            start = group.end;
            let (means, squares) = (&mut self.means[group.clone()], &mut self.squares[group]);
            let memory = means.iter_mut().zip(squares.iter_mut());
            for (slope, (mean, square)) in slopes.iter().zip(memory) {
                let slope = f64::from(*slope);
                *mean = *mean * BETA_1 + slope * (1.0 - BETA_1);
                *square = *square * BETA_2 + slope * slope * (1.0 - BETA_2);
            }
            let common =
                one_measure.then(|| squares.iter().sum::<f64>() / squares.len().max(1) as f64);
            let steps = rates.map(|rate| f64::from(rate) / correction_1);
            let steps = steps.into_iter().cycle();
            let numbers = values.iter_mut().zip(means).zip(squares);
            for (((value, mean), square), step) in numbers.zip(steps) {
                let square = common.unwrap_or(*square);
                *value -= (step * *mean / (square.sqrt() / correction_2 + EPSILON)) as f32;
            }
        }
    }
}

/// Keeps half widths and colours of the strokes that are moved within their limits, as the replaced program does; points are
/// free to leave the canvas. `half_widths` are canvas pixels.
pub fn clamp(strokes: &mut Strokes, half_widths: [f32; 2]) {
    let moving = strokes.moving();
    for half_width in &mut strokes.half_widths[..moving] {
        *half_width = half_width.clamp(half_widths[0], half_widths[1]);
    }
    for channel in strokes.colors[..moving].as_flattened_mut() {
        *channel = channel.clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_equal_pytorchs_adam() {
        // torch.optim.Adam([x], lr=0.1) on gradients 1.0, -2.0, 0.5, 0.0 from x = 3.
        let expected = [2.9, 2.936_61, 2.950_279, 2.961_476];
        let mut strokes = Strokes::new();
        strokes.push(&[[0.0; 2]; 4], 3.0, [0.5; 4]);
        let mut optimizer = Adam::new(&strokes);
        let rates = Rates {
            points: 1.0,
            half_widths: 0.1,
            colors: 0.01,
            opacities: 0.01,
            colors_by_one_measure: false,
        };
        for (slope, expected) in [1.0, -2.0, 0.5, 0.0].into_iter().zip(expected) {
            let mut gradient = StrokeGradient::zeros_for(&strokes);
            gradient.half_widths[0] = slope;
            optimizer.descend(&mut strokes, &gradient, rates);
            let found = strokes.half_widths[0];
            assert!(
                (found - expected).abs() < 2e-6,
                "{found}, expected {expected}"
            );
        }
        assert!(
            strokes
                .points
                .iter()
                .flatten()
                .all(|coordinate| *coordinate == 0.0)
        );
    }

    #[test]
    fn by_one_measure_colours_move_in_proportion_to_their_gradients() {
        let mut strokes = Strokes::new();
        strokes.push(&[[0.0; 2]; 4], 3.0, [0.5; 4]);
        let mut gradient = StrokeGradient::zeros_for(&strokes);
        gradient.colors[0] = [3.0, -1.0, 0.1, 0.0];
        let rates = Rates {
            points: 1.0,
            half_widths: 0.1,
            colors: 0.01,
            opacities: 0.01,
            colors_by_one_measure: true,
        };
        Adam::new(&strokes).descend(&mut strokes, &gradient, rates);
        // The root of the mean square is 1.582; Adam would move the first three by 0.01.
        let expected = [0.481_03, 0.506_32, 0.499_37, 0.5];
        for (found, expected) in strokes.colors[0].iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-5,
                "{found}, expected {expected}"
            );
        }
    }

    #[test]
    fn numbers_with_a_rate_of_zero_keep_their_values_exactly() {
        let mut strokes = Strokes::new();
        strokes.push(&[[0.1; 2]; 4], 1.7, [0.3, 0.4, 0.5, 0.9]);
        let before = strokes.clone();
        let mut gradient = StrokeGradient::zeros_for(&strokes);
        gradient.points[1] = [1.0, -2.0];
        gradient.half_widths[0] = 1e30;
        gradient.colors[0] = [1.0, -1.0, 2.0, 1e30];
        for colors_by_one_measure in [false, true] {
            let mut moved = before.clone();
            let mut optimizer = Adam::new(&moved);
            let rates = Rates {
                points: 1.0,
                half_widths: 0.0,
                colors: 0.01,
                opacities: 0.0,
                colors_by_one_measure,
            };
            for _ in 0..3 {
                optimizer.descend(&mut moved, &gradient, rates);
            }
            assert_eq!(moved.half_widths, before.half_widths);
            assert_eq!(moved.colors[0][3], before.colors[0][3]);
            assert_ne!(moved.points, before.points);
            assert!(colors_by_one_measure || moved.colors[0][0] < before.colors[0][0]);
        }
    }
}
