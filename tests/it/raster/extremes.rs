//! Strokes far beyond the limits of a drawing.

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Point, Strokes, start};
use proptest::prelude::*;

const SMALL: Canvas = Canvas {
    width: 37,
    height: 21,
    background: clipdraw::scene::Rgb::WHITE,
    is_transparent: false,
};

/// Runs both passes and checks that every number is finite.
fn check(strokes: &Strokes, canvas: &Canvas) -> Picture {
    let painting = raster::paint(strokes, canvas);
    let values = painting.picture().values();
    assert!(
        values
            .iter()
            .all(|value| (-1e-5..=1.000_01).contains(value)),
        "a picture from 0 to 1"
    );
    let picture_gradient = Picture::filled(
        canvas.width as usize,
        canvas.height as usize,
        [1.0, -0.5, 0.3],
    );
    let gradient = painting.gradient(&picture_gradient);
    let numbers = gradient
        .points
        .as_flattened()
        .iter()
        .chain(gradient.colors.as_flattened());
    let mut numbers = numbers.chain(&gradient.half_widths);
    assert!(
        numbers.all(|number| number.is_finite()),
        "a finite gradient"
    );
    painting.into_picture()
}

fn one(points: &[Point], half_width: f32) -> Strokes {
    let mut strokes = Strokes::new();
    strokes.push(points, half_width, [0.0, 0.0, 0.0, 1.0]);
    strokes
}

#[test]
fn two_thousand_strokes_can_cover_one_pixel() {
    for (half_width, opacity) in [(0.5, 0.1), (1.0, 0.01), (9.0, 1.0)] {
        let mut strokes = Strokes::new();
        for stroke in 0..2048_u16 {
            let shade = f32::from(stroke) / 2048.0;
            let points = [[10.0, 10.0], [10.5, 10.2], [10.1, 10.6], [10.6, 10.6]];
            strokes.push(&points, half_width, [shade, shade, shade, opacity]);
        }
        check(&strokes, &SMALL);
    }
}

#[test]
fn many_wide_strokes_fit_on_a_large_canvas() {
    let canvas = Canvas {
        width: 1024,
        height: 1024,
        ..Canvas::default()
    };
    let mut strokes = start::random_strokes(&canvas, 2048, 1);
    strokes.half_widths.fill(50.0);
    check(&strokes, &canvas);
}

#[test]
fn strokes_far_away_or_over_the_whole_canvas_are_painted() {
    let line = |y: f32, third: f32| [-3.0, -1.0, 1.0, 3.0].map(|k| [18.0 + k * third, y]);
    for (points, half_width, expected) in [
        (line(10.0, 1e6), 2.0, 0.0),
        (line(10.0, 1e9), 2.0, 0.0),
        (line(10.0, 1e30), 2.0, 0.0),
        (line(1e6, 10.0), 2.0, 1.0),
        (line(1e6, 10.0), 9.9e5, 1.0),
        (line(1e6, 10.0), 1.01e6, 0.0),
        (line(1e12, 10.0), 1.1e12, 0.0),
        (line(1e12, 10.0), 0.9e12, 1.0),
        (line(10.0, 1.0), 1e4, 0.0),
        (line(10.0, 1.0), 1e7, 0.0),
        (line(10.0, 1.0), f32::MAX, 0.0),
        (line(10.0, 1.0), 0.0, 1.0),
        (line(10.0, 1.0), -3.0, 1.0),
        (line(10.0, 1.0), f32::NAN, 1.0),
        (line(f32::INFINITY, 1.0), 3.0, 1.0),
    ] {
        let [red, ..] = check(&one(&points, half_width), &SMALL).pixel(18, 10);
        assert!(
            (red - expected).abs() < 1e-5,
            "{points:?}, {half_width}: {red}"
        );
    }
}

#[test]
fn a_canvas_without_strokes_has_its_background_color() {
    let picture = check(&Strokes::new(), &SMALL);
    assert!(
        picture
            .values()
            .iter()
            .all(|value| (*value - 1.0).abs() < f32::EPSILON)
    );
    let pixel = Canvas {
        width: 1,
        height: 1,
        ..SMALL
    };
    assert_eq!(
        check(&one(&[[0.5, 0.5]; 4], 3.0), &pixel).values(),
        [0.0; 3]
    );
}

/// Coordinates: on the canvas, around it, on whole pixels, and far beyond.
fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => 0.0..40.0_f32,
        2 => -100.0..150.0_f32,
        2 => (-2..40).prop_map(|whole| whole as f32),
        1 => -1e7..1e7_f32,
        1 => proptest::num::f32::NORMAL,
    ]
}

pub(crate) fn stroke() -> impl Strategy<Value = (Vec<Point>, f32, [f32; 4])> {
    let points = (1_usize..=3).prop_flat_map(|segments| {
        prop::collection::vec([coordinate(), coordinate()], 3 * segments + 1)
    });
    let half_width = prop_oneof![
        3 => 0.0..50.0_f32,
        1 => 0.0..1e-3_f32,
        1 => 0.0..1e7_f32,
        1 => proptest::num::f32::POSITIVE,
    ];
    let color = [(); 4].map(|()| prop_oneof![2 => 0.0..1.0_f32, 1 => Just(0.0), 1 => Just(1.0)]);
    (points, half_width, color)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finite_strokes_have_finite_pictures_and_gradients(all in prop::collection::vec(stroke(), 1..6)) {
        let mut strokes = Strokes::new();
        for (points, half_width, color) in &all {
            strokes.push(points, *half_width, *color);
        }
        check(&strokes, &SMALL);
    }
}
