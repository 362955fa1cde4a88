//! The random strokes that a drawing starts from (evilstreak/clipdraw, `predict.py`, the
//! initialization of `shapes` and `shape_groups`).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Canvas, Point, Strokes};

/// The maximum number of segments of a stroke. That of a random stroke is uniform from 1 to this.
pub const MAX_SEGMENTS: usize = 3;

/// What random strokes look like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StartStyle {
    /// The minimum distance from an edge at which a stroke begins, as a part of the canvas, below 0.5.
    pub margin: f32,
    /// The step of the random walk from control point to control point, as a part of the canvas's shorter
    /// side: each axis moves by this times U(-0.5, 0.5). Written as `reach` in JSON.
    #[serde(rename = "reach")]
    pub walk_step: f32,
    /// Half the width of every stroke, in pixels of a canvas of 224.
    pub half_width: f32,
    /// Minimum and maximum opacity.
    pub opacity: [f32; 2],
    /// The saturation of colours, from 0 (grey) to 1 (any colour).
    pub saturation: f32,
}

impl StartStyle {
    /// Thin strokes anywhere, of any opacity, as the replaced program draws them.
    pub const SCATTERED: Self = Self {
        margin: 0.0,
        walk_step: 0.1,
        half_width: 1.0,
        opacity: [0.0, 1.0],
        saturation: 1.0,
    };
}

/// Draws `count` random strokes of [`StartStyle::SCATTERED`].
pub fn random_strokes(canvas: &Canvas, count: usize, seed: u64) -> Strokes {
    strokes_in_style(canvas, count, seed, &StartStyle::SCATTERED)
}

/// Draws `count` random strokes: a first point, then a random walk; 1 to 3 segments, of any colour.
///
/// The same seed gives the same strokes on every machine: the generator is `ChaCha8`.
pub fn strokes_in_style(canvas: &Canvas, count: usize, seed: u64, style: &StartStyle) -> Strokes {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut strokes = Strokes::new();
    let step = style.walk_step * canvas.width.min(canvas.height) as f32;
    let [min, max] = style.opacity;
    for _ in 0..count {
        let segments = random.random_range(1..=MAX_SEGMENTS);
        let first = [canvas.width, canvas.height].map(|side| {
            let part = style.margin + (1.0 - 2.0 * style.margin) * random.random::<f32>();
            part * side as f32
        });
        let points = random_walk(&mut random, first, step, segments);
        let mut color = [(); 4].map(|()| random.random::<f32>());
        color[3] = min + (max - min) * color[3];
        if style.saturation < 1.0 {
            let gray = color[..3].iter().sum::<f32>() / 3.0;
            for channel in &mut color[..3] {
                *channel = gray + style.saturation * (*channel - gray);
            }
        }
        strokes.push(&points, style.half_width * canvas.scale(), color);
    }
    strokes
}

fn random_walk(random: &mut ChaCha8Rng, first: Point, step: f32, segments: usize) -> Vec<Point> {
    let mut points = vec![first];
    let mut point = first;
    for _ in 0..segments * super::strokes::POINTS_PER_SEGMENT {
        point = point.map(|coordinate| coordinate + step * (random.random::<f32>() - 0.5));
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
    fn a_margin_stays_empty_and_opacity_within_its_limits() {
        let style = StartStyle {
            margin: 0.25,
            opacity: [0.4, 0.6],
            ..StartStyle::SCATTERED
        };
        let strokes = strokes_in_style(&Canvas::default(), 500, 1, &style);
        for stroke in 0..strokes.len() {
            let first = strokes.points_of(stroke)[0];
            assert!(first.iter().all(|part| (56.0..168.0).contains(part)));
            assert!((0.4..=0.6).contains(&strokes.colors[stroke][3]));
        }
    }

    #[test]
    fn without_saturation_every_stroke_is_grey_and_as_bright_as_before() {
        let canvas = Canvas::default();
        let gray = StartStyle {
            saturation: 0.0,
            ..StartStyle::SCATTERED
        };
        let grays = strokes_in_style(&canvas, 20, 5, &gray);
        let colors = random_strokes(&canvas, 20, 5);
        assert_eq!(grays.points, colors.points);
        for (gray, color) in grays.colors.iter().zip(&colors.colors) {
            let mean = (color[0] + color[1] + color[2]) / 3.0;
            assert_eq!(gray, &[mean, mean, mean, color[3]]);
        }
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
