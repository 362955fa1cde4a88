//! Gradients, compared with central differences.

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, StrokeGradient, Strokes};

use super::{reference, scenes};

/// A smooth gradient with respect to a picture.
fn picture_gradient(canvas: &Canvas) -> Picture {
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let mut gradient = Picture::filled(width, height, [0.0; 3]);
    let places = (0..3 * width * height).map(|index| {
        let (channel, pixel) = (index / (width * height), index % (width * height));
        [
            channel as f32,
            (pixel % width) as f32,
            (pixel / width) as f32,
        ]
    });
    for (value, [phase, x, y]) in gradient.values_mut().iter_mut().zip(places) {
        *value = 0.6 + (0.11 * x + phase).sin() * (0.09 * y - 2.0 * phase).cos();
    }
    gradient
}

#[derive(Debug, Clone, Copy)]
enum Parameter {
    Points,
    HalfWidths,
    Colors,
}

const PARAMETERS: [Parameter; 3] = [Parameter::Points, Parameter::HalfWidths, Parameter::Colors];

/// The numbers of one kind, in one row.
fn numbers(strokes: &mut Strokes, parameter: Parameter) -> &mut [f32] {
    match parameter {
        Parameter::Points => strokes.points.as_flattened_mut(),
        Parameter::HalfWidths => &mut strokes.half_widths,
        Parameter::Colors => strokes.colors.as_flattened_mut(),
    }
}

/// The gradient by the numbers of one kind, in one row.
fn components(gradient: &StrokeGradient, parameter: Parameter) -> &[f32] {
    match parameter {
        Parameter::Points => gradient.points.as_flattened(),
        Parameter::HalfWidths => &gradient.half_widths,
        Parameter::Colors => gradient.colors.as_flattened(),
    }
}

/// The differences of a loss with respect to every number, over one step each way; an opacity stays at
/// most 1, where the picture is linear in it, so that one side is as exact as two.
fn differences(
    strokes: &Strokes,
    parameter: Parameter,
    step: f32,
    loss: impl Fn(&Strokes) -> f64,
) -> Vec<f64> {
    let mut moved = strokes.clone();
    (0..numbers(&mut moved, parameter).len())
        .map(|index| {
            let middle = numbers(&mut moved, parameter)[index];
            let most = match parameter {
                Parameter::Colors => 1.0,
                Parameter::Points | Parameter::HalfWidths => f32::INFINITY,
            };
            let mut at = |value: f32| {
                let value = value.min(most);
                numbers(&mut moved, parameter)[index] = value;
                (loss(&moved), f64::from(value))
            };
            let (more, less) = (at(middle + step), at(middle - step));
            numbers(&mut moved, parameter)[index] = middle;
            (more.0 - less.0) / (more.1 - less.1)
        })
        .collect()
}

/// The cosine between two gradients, and the first's length over the second's.
fn agreement(found: &[f32], expected: &[f64]) -> (f64, f64) {
    let dot: f64 = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from(*a) * b)
        .sum();
    let norm = found
        .iter()
        .map(|a| f64::from(*a).powi(2))
        .sum::<f64>()
        .sqrt();
    let expected_norm = expected.iter().map(|b| b * b).sum::<f64>().sqrt();
    (dot / (norm * expected_norm), norm / expected_norm)
}

/// Describes where the gradient of a scene disagrees with the differences of some picture of it.
fn mismatches(
    scene: &scenes::Scene,
    step: f32,
    picture: impl Fn(&Strokes) -> Vec<f64>,
) -> Vec<String> {
    let output_gradient = picture_gradient(&scene.canvas);
    let found = raster::paint(&scene.strokes, &scene.canvas).gradient(&output_gradient);
    let loss = |strokes: &Strokes| -> f64 {
        let values = picture(strokes);
        let terms = values.iter().zip(output_gradient.values());
        terms
            .map(|(value, weight)| value * f64::from(*weight))
            .sum()
    };
    PARAMETERS
        .iter()
        .filter_map(|parameter| {
            let expected = differences(&scene.strokes, *parameter, step, loss);
            let (cosine, norm) = agreement(components(&found, *parameter), &expected);
            let is_good = cosine >= 0.999 && (norm - 1.0).abs() <= 0.02;
            let line = format!(
                "{}: {parameter:?}: cosine {cosine:.5}, norm {norm:.4}",
                scene.name
            );
            (!is_good).then_some(line)
        })
        .collect()
}

fn own(strokes: &Strokes, canvas: &Canvas) -> Vec<f64> {
    let painting = raster::paint(strokes, canvas);
    painting
        .picture()
        .values()
        .iter()
        .map(|value| f64::from(*value))
        .collect()
}

#[test]
fn gradients_match_differences_of_the_same_picture() {
    let mut all = Vec::new();
    for scene in scenes::hard() {
        all.extend(mismatches(&scene, 0.01, |strokes| {
            own(strokes, &scene.canvas)
        }));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn gradients_match_differences_of_a_picture_of_many_samples() {
    let mut all = Vec::new();
    for scene in scenes::hard() {
        all.extend(mismatches(&scene, 0.05, |strokes| {
            reference::values(strokes, &scene.canvas, 48)
        }));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn gradients_of_random_strokes_match_differences_of_a_picture_of_many_samples() {
    let canvas = Canvas {
        width: 90,
        height: 70,
        ..Canvas::default()
    };
    let (many, _) = scenes::random(9, [1.0, 20.0], 1.0);
    let mut strokes = Strokes::new();
    for stroke in 0..8 {
        let points = many.points_of(stroke).iter();
        let points: Vec<_> = points.map(|[x, y]| [x * 0.4, y * 0.3]).collect();
        strokes.push(&points, many.half_widths[stroke], many.colors[stroke]);
    }
    let scene = scenes::Scene {
        name: "random strokes",
        strokes,
        canvas,
    };
    let all = mismatches(&scene, 0.05, |strokes| {
        reference::values(strokes, &scene.canvas, 48)
    });
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Strokes as wide as several tiles, all opaque, in many layers.
fn opaque_scene() -> scenes::Scene {
    let canvas = Canvas {
        width: 72,
        height: 60,
        ..Canvas::default()
    };
    let (many, _) = scenes::random(4, [14.0, 26.0], 1.0);
    let mut strokes = Strokes::new();
    for stroke in 0..12 {
        let points = many.points_of(stroke).iter();
        let points: Vec<_> = points.map(|[x, y]| [x * 0.32, y * 0.27]).collect();
        let [red, green, blue, _] = many.colors[stroke];
        strokes.push(&points, many.half_widths[stroke], [red, green, blue, 1.0]);
    }
    scenes::Scene {
        name: "opaque strokes that cover tiles",
        strokes,
        canvas,
    }
}

#[test]
fn gradients_of_opaque_strokes_that_cover_tiles_match_differences() {
    let scene = opaque_scene();
    let all = mismatches(&scene, 0.01, |strokes| own(strokes, &scene.canvas));
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_opacity_of_an_opaque_stroke_depends_on_the_stroke_that_it_hides() {
    // Both strokes cover the whole canvas, so the loss is `sum of g (below (1 - opacity) + opacity color)`
    // and its derivative with respect to the opacity is `sum of g (color - below)`.
    let canvas = Canvas {
        width: 64,
        height: 64,
        ..Canvas::default()
    };
    let points = [[0.0, 32.0], [20.0, 32.0], [44.0, 32.0], [64.0, 32.0]];
    let mut strokes = Strokes::new();
    strokes.push(&points, 200.0, [0.25, 0.5, 0.75, 1.0]);
    strokes.push(&points, 200.0, [0.5, 0.5, 0.5, 1.0]);
    let ones = Picture::filled(64, 64, [1.0, 2.0, 3.0]);
    let gradient = raster::paint(&strokes, &canvas).gradient(&ones);
    let expected = 64.0 * 64.0 * (1.0 * 0.25 + 3.0 * -0.25);
    assert!(
        (gradient.colors[1][3] - expected).abs() < 1.0,
        "{gradient:?}"
    );
    assert_eq!(gradient.colors[0], [0.0; 4]);
}

#[test]
fn the_gradient_of_a_dot_moves_it_as_a_whole() {
    let canvas = Canvas {
        width: 60,
        height: 50,
        ..Canvas::default()
    };
    let mut dot = Strokes::new();
    dot.push(&[[31.3, 22.6]; 4], 7.4, [0.2, 0.3, 0.1, 0.8]);
    let output_gradient = picture_gradient(&canvas);
    let gradient = raster::paint(&dot, &canvas).gradient(&output_gradient);
    let loss = |shift: [f32; 2]| -> f64 {
        let mut moved = dot.clone();
        for point in &mut moved.points {
            *point = [point[0] + shift[0], point[1] + shift[1]];
        }
        let values = own(&moved, &canvas);
        values
            .iter()
            .zip(output_gradient.values())
            .map(|(value, weight)| value * f64::from(*weight))
            .sum()
    };
    for axis in 0..2 {
        let shift = |step: f32| if axis == 0 { [step, 0.0] } else { [0.0, step] };
        let expected = (loss(shift(0.01)) - loss(shift(-0.01))) / 0.02;
        let found: f32 = gradient.points.iter().map(|point| point[axis]).sum();
        assert!(
            (f64::from(found) - expected).abs() < 0.01 * expected.abs(),
            "{found}, {expected}"
        );
    }
}

#[test]
fn hidden_and_distant_strokes_have_no_gradient_and_transparent_ones_only_that_of_their_opacity() {
    let canvas = Canvas::default();
    let points = [[40.0, 112.0], [80.0, 110.0], [120.0, 112.0], [160.0, 112.0]];
    let away = points.map(|[x, y]| [x, y + 500.0]);
    let mut strokes = Strokes::new();
    strokes.push(&points, 5.0, [0.3, 0.3, 0.3, 1.0]);
    strokes.push(&points, 40.0, [0.3, 0.6, 0.9, 1.0]);
    strokes.push(&away, 9.0, [0.3, 0.6, 0.9, 1.0]);
    strokes.push(&points, 9.0, [1.0, 0.0, 0.0, 0.0]);
    let gradient = raster::paint(&strokes, &canvas).gradient(&picture_gradient(&canvas));
    for stroke in [0, 2] {
        assert!(gradient.colors[stroke].iter().all(|number| *number == 0.0));
    }
    for stroke in [0, 2, 3] {
        assert!(gradient.half_widths[stroke].abs() < f32::EPSILON);
        let range = strokes.point_range(stroke);
        assert!(
            gradient.points[range]
                .as_flattened()
                .iter()
                .all(|number| *number == 0.0)
        );
    }
    assert!(gradient.colors[3][..3].iter().all(|number| *number == 0.0));
    assert!(gradient.colors[3][3].abs() > 1.0);
}
