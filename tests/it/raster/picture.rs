//! Pictures, compared with a reference with many samples.

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Strokes};

use super::{reference, scenes};

/// The root of the mean squared difference of all values.
pub(crate) fn root_mean_square(a: &Picture, b: &Picture) -> f64 {
    let squares = a
        .values()
        .iter()
        .zip(b.values())
        .map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.values().len() as f64).sqrt()
}

/// Seeds, half widths and stretches of random scenes: short and long, thin and thick strokes.
pub(crate) const RANDOM: [(u64, [f32; 2], f32); 6] = [
    (1, [1.0, 1.0], 1.0),
    (2, [1.0, 12.0], 1.0),
    (3, [1.0, 20.0], 1.0),
    (4, [1.0, 20.0], 4.0),
    (5, [1.0, 6.0], 6.0),
    (6, [0.5, 1.0], 2.0),
];

#[test]
fn random_strokes_look_as_they_do_with_many_samples() {
    for (seed, widths, stretch) in RANDOM {
        let (strokes, canvas) = scenes::random(seed, widths, stretch);
        let painting = raster::paint(&strokes, &canvas);
        let expected = reference::picture(&strokes, &canvas, 16);
        let error = root_mean_square(painting.picture(), &expected);
        assert!(
            error <= 0.01,
            "seed {seed}, half widths {widths:?}: {error:.5}"
        );
    }
}

#[test]
fn hard_scenes_look_as_they_do_with_many_samples() {
    for scene in scenes::hard() {
        let painting = raster::paint(&scene.strokes, &scene.canvas);
        let expected = reference::picture(&scene.strokes, &scene.canvas, 32);
        let error = root_mean_square(painting.picture(), &expected);
        assert!(error <= 0.005, "{}: {error:.5}", scene.name);
    }
}

/// The total darkness of black strokes on a white canvas, in fully black pixels.
fn ink(strokes: &Strokes, canvas: &Canvas) -> f64 {
    let picture = raster::paint(strokes, canvas).into_picture();
    let plane = &picture.values()[..canvas.area()];
    plane.iter().map(|value| 1.0 - f64::from(*value)).sum()
}

const BLACK: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

#[test]
fn straight_strokes_and_dots_have_their_area() {
    let canvas = Canvas::default();
    for half_width in [0.4, 1.0, 3.3, 17.0] {
        for length in [0.0, 0.001, 30.0, 120.0] {
            let mut strokes = Strokes::new();
            let step = length / 3.0;
            let points =
                [0.0, 1.0, 2.0, 3.0].map(|k| [50.3 + 0.8 * k * step, 50.1 + 0.6 * k * step]);
            strokes.push(&points, half_width, BLACK);
            let radius = f64::from(half_width);
            let area = std::f64::consts::PI * radius * radius + 2.0 * radius * f64::from(length);
            let error = (ink(&strokes, &canvas) - area).abs();
            // The window's width adds to round ends, 0.11 pixels for two.
            assert!(
                error < 0.003 * area + 0.12,
                "{half_width}, {length}: {error} of {area}"
            );
        }
    }
}

#[test]
fn a_stroke_is_not_darker_where_it_crosses_itself() {
    let canvas = Canvas::default();
    let mut strokes = Strokes::new();
    let points = [[40.0, 180.0], [320.0, 10.0], [-96.0, 10.0], [184.0, 180.0]];
    strokes.push(&points, 9.0, [0.0, 0.0, 0.0, 0.5]);
    let painting = raster::paint(&strokes, &canvas);
    let darkest = painting
        .picture()
        .values()
        .iter()
        .copied()
        .fold(1.0, f32::min);
    assert!((darkest - 0.5).abs() < 1e-6, "{darkest}");
}

#[test]
fn transparent_strokes_leave_the_canvas_and_opaque_ones_hide_it() {
    let canvas = Canvas::default();
    let points = [[40.0, 112.0], [80.0, 112.0], [120.0, 112.0], [160.0, 112.0]];
    for (opacity, expected) in [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0)] {
        let mut strokes = Strokes::new();
        strokes.push(&points, 20.0, [0.0, 0.0, 0.0, opacity]);
        let painting = raster::paint(&strokes, &canvas);
        let [red, ..] = painting.picture().pixel(100, 110);
        assert!((red - expected).abs() < 1e-6, "{red} at opacity {opacity}");
        let [outside, ..] = painting.picture().pixel(100, 150);
        assert!((outside - 1.0).abs() < f32::EPSILON);
    }
}

#[test]
fn later_strokes_lie_above_earlier_ones() {
    let canvas = Canvas::default();
    let points = [[40.0, 112.0], [80.0, 112.0], [120.0, 112.0], [160.0, 112.0]];
    let mut strokes = Strokes::new();
    for color in [
        [1.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, 0.0, 0.5],
        [0.0, 0.0, 1.0, 0.5],
    ] {
        strokes.push(&points, 20.0, color);
    }
    let painting = raster::paint(&strokes, &canvas);
    let pixel = painting.picture().pixel(100, 110);
    for (found, expected) in pixel.into_iter().zip([0.25, 0.25, 0.5]) {
        assert!((found - expected).abs() < 1e-6, "{pixel:?}");
    }
}
