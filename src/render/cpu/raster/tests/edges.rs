//! The coverage of a sample's window.

use fearless_simd::{Level, SimdBase, dispatch, f32x16};

use super::super::edge::{Pen, WINDOW_RADIUS};

fn coverage(pen: Pen, distance: f32) -> f32 {
    dispatch!(Level::new(), simd => {
        pen.coverage(f32x16::splat(simd, distance * distance)).to_array()[0]
    })
}

#[test]
fn a_window_is_covered_inside_and_not_outside_and_half_on_the_outline() {
    let pen = Pen::new(3.0, 2);
    let radius = 0.5 * WINDOW_RADIUS;
    for (distance, covered) in [
        (0.0, 1.0),
        (3.0 - radius, 1.0),
        (3.0, 0.5),
        (3.0 + radius, 0.0),
        (9.0, 0.0),
    ] {
        let found = coverage(pen, distance);
        assert!((found - covered).abs() < 1e-6, "{found} at {distance}");
    }
}

#[test]
fn the_sum_of_samples_does_not_depend_on_where_a_straight_stroke_lies() {
    for (half_width, samples_per_axis) in [(4.0, 2_u8), (1.0, 2), (0.6, 4), (0.2, 4), (0.02, 4)] {
        let pen = Pen::new(half_width, samples_per_axis);
        let step = 1.0 / f32::from(samples_per_axis);
        for shift in 0..10 {
            let first = -10.0 + 0.1 * step * shift as f32;
            let samples =
                (0..20 * u16::from(samples_per_axis)).map(|index| first + f32::from(index) * step);
            let sum: f32 = samples.map(|place| step * coverage(pen, place.abs())).sum();
            let error = (sum / (2.0 * half_width) - 1.0).abs();
            assert!(
                error < 0.005,
                "half width {half_width}, shift {shift}: {sum}"
            );
        }
    }
}

#[test]
fn a_stroke_without_width_covers_nothing() {
    for distance in [0.0, 0.1, 1.0] {
        assert!(coverage(Pen::new(0.0, 4), distance).abs() < 1e-6);
    }
}
