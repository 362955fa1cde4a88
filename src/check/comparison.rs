//! What renderers make of scenes, and how far two results are apart.

use tch::Tensor;

use super::recorder::CheckError;
use super::scenes::OwnedScene;
use crate::compute::to_host;
use crate::render::{Renderer, Scene};
use crate::scene::StrokeGradient;

/// The side of a view in pixels.
pub(super) const SIDE: usize = 224;

/// The smallest cosine between a gradient and the expected one.
pub(super) const MIN_COSINE: f64 = 0.9999;

/// What a renderer makes of one scene.
#[derive(Debug)]
pub(super) struct Output {
    /// `[n, 3, SIDE, SIDE]`, row-major.
    pub(super) views: Vec<f32>,
    /// The gradient on the strokes, from that of [`view_gradient`].
    pub(super) gradient: StrokeGradient,
}

impl Output {
    /// Whether all bits are the same.
    pub(super) fn has_bits_of(&self, other: &Self) -> bool {
        let bits = |output: &Self| -> Vec<u32> {
            let parts = parts(&output.gradient);
            let gradient = parts.iter().flat_map(|(_, values)| *values);
            let all = output.views.iter().chain(gradient);
            all.map(|value| value.to_bits()).collect()
        };
        bits(self) == bits(other)
    }
}

/// A gradient by kind of number.
pub(super) fn parts(gradient: &StrokeGradient) -> [(&'static str, &[f32]); 3] {
    [
        ("points", gradient.points.as_flattened()),
        ("half widths", &gradient.half_widths),
        ("colors", gradient.colors.as_flattened()),
    ]
}

/// Runs both passes of a renderer over some scenes together.
pub(super) fn render(
    renderer: &dyn Renderer,
    scenes: &[&OwnedScene],
) -> Result<Vec<Output>, CheckError> {
    let gradient: Vec<f32> = scenes
        .iter()
        .flat_map(|scene| view_gradient(scene.views.len()))
        .collect();
    let side = SIDE as i64;
    let gradient = Tensor::f_from_slice(&gradient)?.f_view([-1, 3, side, side])?;
    let borrowed: Vec<Scene<'_>> = scenes.iter().map(|scene| scene.scene()).collect();
    let rendered = renderer.forward(&borrowed, SIDE)?;
    let gradients = rendered.backward(&gradient)?;
    let pixels = to_host(rendered.views())?;
    let mut first = 0;
    let outputs = scenes.iter().zip(gradients).map(|(scene, gradient)| {
        let count = scene.views.len() * 3 * SIDE * SIDE;
        first += count;
        Output {
            views: pixels[first - count..first].to_vec(),
            gradient,
        }
    });
    Ok(outputs.collect())
}

/// A gradient on some views: numbers of both signs that change from pixel to pixel.
fn view_gradient(views: usize) -> impl Iterator<Item = f32> {
    (0..views * 3 * SIDE * SIDE).map(|index| ((index * 7919 % 1009) as f32 / 1009.0 - 0.45) * 0.02)
}

/// The cosines of points, half widths and colors.
pub(super) fn stroke_cosines(found: &StrokeGradient, expected: &StrokeGradient) -> [f64; 3] {
    let (found, expected) = (parts(found), parts(expected));
    [0, 1, 2].map(|part| cosine(found[part].1, expected[part].1))
}

/// The cosine of the angle between two vectors; 1 for two vectors of zeros.
pub(crate) fn cosine(found: &[f32], expected: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let (found_norm, norm) = (dot(found, found).sqrt(), dot(expected, expected).sqrt());
    if found.len() != expected.len() {
        0.0
    } else if found_norm == 0.0 && norm == 0.0 {
        1.0
    } else {
        dot(found, expected) / (found_norm * norm)
    }
}

/// The largest difference between two numbers at the same place, infinite if one is NaN or the lengths differ.
pub(super) fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    if found.len() != expected.len() {
        return f32::INFINITY;
    }
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, difference| {
        if difference.is_nan() {
            f32::INFINITY
        } else {
            largest.max(difference)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_that_of_the_angle() {
        assert_eq!(cosine(&[3.0, 0.0], &[0.5, 0.0]), 1.0);
        assert_eq!(cosine(&[3.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[0.0], &[0.0]), 1.0);
        assert_eq!(cosine(&[1.0], &[1.0, 1.0]), 0.0);
        assert!(cosine(&[f32::NAN], &[1.0]).is_nan());
        assert!(cosine(&[0.0], &[1.0]).is_nan());
    }

    #[test]
    fn a_number_that_is_not_finite_is_infinitely_far_away() {
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 4.5]), 2.5);
        assert_eq!(
            largest_difference(&[1.0, f32::NAN], &[1.0, 2.0]),
            f32::INFINITY
        );
        assert_eq!(largest_difference(&[1.0], &[]), f32::INFINITY);
    }
}
