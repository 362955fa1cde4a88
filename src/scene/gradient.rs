//! The gradient of a loss with respect to strokes.

use super::strokes::{Point, Rgba, Strokes};

/// The gradient of a loss with respect to every number of some [`Strokes`], in the same order. It is a
/// separate type, so that it can be neither painted nor written as a drawing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StrokeGradient {
    /// With respect to the control points of all strokes, per canvas pixel.
    pub points: Vec<Point>,
    /// With respect to half of each stroke's width, per canvas pixel.
    pub half_widths: Vec<f32>,
    /// With respect to the colour of each stroke, per unit of red, green, blue and opacity.
    pub colors: Vec<Rgba>,
}

impl StrokeGradient {
    /// A gradient of zeros for these strokes.
    pub fn zeros_for(strokes: &Strokes) -> Self {
        Self {
            points: vec![[0.0; 2]; strokes.points.len()],
            half_widths: vec![0.0; strokes.half_widths.len()],
            colors: vec![[0.0; 4]; strokes.colors.len()],
        }
    }

    /// Adds another gradient, number by number: that of the same strokes, or of more strokes after them, whose numbers are
    /// ignored.
    pub fn add(&mut self, other: &Self) {
        let sums = self.values_mut();
        for (sum, value) in sums.zip(other.values()) {
            *sum += value;
        }
    }

    /// Whether no number is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        self.values().all(|value| value.is_finite())
    }

    fn values(&self) -> impl Iterator<Item = &f32> {
        let points = self.points.as_flattened().iter();
        let colors = self.colors.as_flattened().iter();
        points.chain(&self.half_widths).chain(colors)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        let points = self.points.as_flattened_mut().iter_mut();
        let colors = self.colors.as_flattened_mut().iter_mut();
        points.chain(&mut self.half_widths).chain(colors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_added_and_checked() {
        let mut strokes = Strokes::new();
        strokes.push(&[[0.0; 2]; 4], 1.0, [0.5; 4]);
        let mut sum = StrokeGradient::zeros_for(&strokes);
        let mut other = sum.clone();
        other.points[3][1] = 2.0;
        other.half_widths[0] = 3.0;
        other.colors[0][3] = 4.0;
        sum.add(&other);
        sum.add(&other);
        assert_eq!(
            (sum.points[3][1], sum.half_widths[0], sum.colors[0][3]),
            (4.0, 6.0, 8.0)
        );
        assert!(sum.is_finite());
        other.colors[0][0] = f32::NAN;
        assert!(!other.is_finite());
    }
}
