//! Curves and the chords that approximate them.

use super::super::chord::{Bounds, Chords};
use crate::scene::{Canvas, Point, start};

fn chords(points: &[Point], side: f64) -> Chords {
    let near = Bounds {
        min: [0.0; 2],
        max: [side; 2],
    };
    let mut chords = Chords::default();
    chords.flatten(0, points, near);
    chords
}

fn curve(points: &[Point], parameter: f64) -> [f64; 2] {
    let (t, s) = (parameter, 1.0 - parameter);
    let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
    [0, 1].map(|axis| {
        let terms = weights.iter().zip(points);
        terms
            .map(|(weight, point)| weight * f64::from(point[axis]))
            .sum()
    })
}

fn distance(chords: &Chords, point: [f64; 2]) -> f64 {
    let distances = chords.chords.iter().map(|chord| {
        let [start, end] = chord.ends();
        let vector = [end[0] - start[0], end[1] - start[1]];
        let offset = [point[0] - start[0], point[1] - start[1]];
        let square = (vector[0] * vector[0] + vector[1] * vector[1]).max(1e-30);
        let along = ((offset[0] * vector[0] + offset[1] * vector[1]) / square).clamp(0.0, 1.0);
        (offset[0] - along * vector[0]).hypot(offset[1] - along * vector[1])
    });
    distances.fold(f64::INFINITY, f64::min)
}

#[test]
fn chords_lie_near_their_curves() {
    let strokes = start::random_strokes(&Canvas::default(), 40, 3);
    for stroke in 0..strokes.len() {
        let points = strokes.points_of(stroke);
        let chords = chords(points, 1e4).chords;
        let chords = Chords {
            chords,
            ..Chords::default()
        };
        for segment in points.windows(4).step_by(3) {
            for step in 0..=100 {
                let point = curve(segment, f64::from(step) / 100.0);
                if point[0] > 0.0 && point[1] > 0.0 {
                    let distance = distance(&chords, point);
                    assert!(
                        distance < 0.041,
                        "stroke {stroke}, step {step}: {distance} pixels"
                    );
                }
            }
        }
    }
}

#[test]
fn the_ends_of_chords_are_weighted_sums_of_control_points() {
    let points = [[3.0, 4.0], [50.0, 90.0], [80.0, -70.0], [99.0, 60.0]];
    let chords = chords(&points, 90.0);
    assert_eq!(chords.chords.len(), chords.weights.len());
    for (chord, weights) in chords.chords.iter().zip(&chords.weights) {
        for (end, weights) in chord.ends().into_iter().zip([weights.start, weights.end]) {
            for axis in 0..2 {
                let terms = weights.iter().zip(&points);
                let place: f32 = terms.map(|(weight, point)| weight * point[axis]).sum();
                assert!(
                    (f64::from(place) - end[axis]).abs() < 1e-4,
                    "{chord:?} from {weights:?}"
                );
            }
        }
    }
}

#[test]
fn strokes_of_any_length_have_few_chords() {
    for length in [1e3, 1e6, 1e12, 1e30, 3e38] {
        let points = [
            [-length, 50.0],
            [length, 20.0],
            [-length, 80.0],
            [length, 55.0],
        ];
        let count = chords(&points, 100.0).chords.len();
        assert!(
            (1..1000).contains(&count),
            "{count} chords for {length} pixels"
        );
        let away = points.map(|[x, _]| [x, 1e5]);
        assert_eq!(chords(&away, 100.0).chords.len(), 0);
    }
}

#[test]
fn a_straight_stroke_can_be_bent_by_its_inner_points() {
    let chords = chords(
        &[[10.0, 10.0], [20.0, 10.0], [30.0, 10.0], [40.0, 10.0]],
        100.0,
    );
    assert!(chords.chords.len() >= 4);
    let inner: f32 = chords
        .weights
        .iter()
        .map(|weights| weights.end[1] + weights.end[2])
        .sum();
    assert!(inner > 1.0, "the inner points have a weight of {inner}");
}
