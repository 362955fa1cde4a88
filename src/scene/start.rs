//! The random strokes that a drawing starts from (evilstreak/clipdraw, `predict.py`, the
//! initialisation of `shapes` and `shape_groups`).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Canvas, Point, Strokes};

/// Segments of a stroke are uniform on 1 to this.
const MOST_SEGMENTS: usize = 3;

/// The reach of one step of the random walk from control point to control point, as a part of the
/// canvas: each axis moves by this times U(-0.5, 0.5).
const STEP: f32 = 0.1;

/// Half of the width of every stroke at the start, in pixels of the 224 canvas.
const START_HALF_WIDTH: f32 = 1.0;

/// Draws `count` random strokes: a first point anywhere on the canvas, then a random walk;
/// 1 to 3 segments, thin, of any colour and opacity.
///
/// The same seed gives the same strokes on every machine: the generator is `ChaCha8`.
pub fn random_strokes(canvas: &Canvas, count: usize, seed: u64) -> Strokes {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut strokes = Strokes::new();
    let reach = STEP * canvas.width.min(canvas.height) as f32;
    for _ in 0..count {
        let segments = random.random_range(1..=MOST_SEGMENTS);
        let first = [
            random.random::<f32>() * canvas.width as f32,
            random.random::<f32>() * canvas.height as f32,
        ];
        let points = random_walk(&mut random, first, reach, segments);
        let color = [(); 4].map(|()| random.random::<f32>());
        strokes.push(&points, START_HALF_WIDTH * canvas.scale(), color);
    }
    strokes
}

fn random_walk(random: &mut ChaCha8Rng, first: Point, reach: f32, segments: usize) -> Vec<Point> {
    let mut points = vec![first];
    let mut point = first;
    for _ in 0..segments * super::strokes::POINTS_PER_SEGMENT {
        point = point.map(|coordinate| coordinate + reach * (random.random::<f32>() - 0.5));
        points.push(point);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_strokes_and_another_seed_gives_others() {
        let canvas = Canvas::default();
        let strokes = random_strokes(&canvas, 16, 7);
        assert_eq!(strokes, random_strokes(&canvas, 16, 7));
        assert_ne!(strokes, random_strokes(&canvas, 16, 8));
        assert_eq!(strokes.len(), 16);
    }

    #[test]
    fn strokes_start_as_the_replaced_program_starts_them() {
        let canvas = Canvas {
            width: 448,
            height: 224,
            ..Canvas::default()
        };
        let strokes = random_strokes(&canvas, 3000, 1);
        let mut by_segments = [0_usize; 3];
        for stroke in 0..strokes.len() {
            let points = strokes.points_of(stroke);
            by_segments[points.len() / 3 - 1] += 1;
            assert!((0.0..=448.0).contains(&points[0][0]) && (0.0..=224.0).contains(&points[0][1]));
            for pair in points.windows(2) {
                assert!((0..2).all(|axis| (pair[1][axis] - pair[0][axis]).abs() <= 11.21));
            }
        }
        assert!(
            by_segments.iter().all(|count| (900..1100).contains(count)),
            "{by_segments:?}"
        );
        assert!(
            strokes
                .half_widths
                .iter()
                .all(|half_width| (half_width - 1.0).abs() < f32::EPSILON)
        );
        assert!(
            strokes
                .colors
                .iter()
                .flatten()
                .all(|channel| (0.0..1.0).contains(channel))
        );
        let opacity: f32 = strokes.colors.iter().map(|color| color[3]).sum::<f32>() / 3000.0;
        assert!((opacity - 0.5).abs() < 0.03, "mean opacity {opacity}");
    }
}
