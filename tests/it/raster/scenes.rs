//! Drawings that are hard to rasterize.

use clipdraw::scene::{Canvas, Point, Rgb, Strokes, start};

/// Numbers spread evenly from 0 to 1 (fractions of multiples of the golden ratio).
pub(crate) fn spread(index: usize) -> f32 {
    (index as f32 * 0.618_034).fract()
}

/// The random strokes that a drawing starts from, with half widths within `widths`, and made
/// longer by `stretch`.
pub(crate) fn random(seed: u64, widths: [f32; 2], stretch: f32) -> (Strokes, Canvas) {
    let canvas = Canvas::default();
    let mut strokes = start::random_strokes(&canvas, 256, seed);
    for stroke in 0..strokes.len() {
        strokes.half_widths[stroke] = widths[0] + spread(stroke) * (widths[1] - widths[0]);
        let range = strokes.point_range(stroke);
        let first = strokes.points[range.start];
        for point in &mut strokes.points[range] {
            *point = [0, 1].map(|axis| first[axis] + stretch * (point[axis] - first[axis]));
        }
    }
    (strokes, canvas)
}

/// A small drawing and its name.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) strokes: Strokes,
    pub(crate) canvas: Canvas,
}

/// Control points, half width and colour of a stroke.
type Stroke = (&'static [Point], f32, [f32; 4]);

const RED: [f32; 4] = [0.9, 0.1, 0.2, 0.8];
const BLUE: [f32; 4] = [0.1, 0.3, 0.9, 0.6];
const GREEN: [f32; 4] = [0.2, 0.8, 0.3, 0.5];

const TIGHT: &[Point] = &[[24.3, 38.2], [30.1, 14.4], [42.2, 13.1], [45.4, 36.7]];
const BLOB: &[Point] = &[[33.1, 29.2], [38.4, 33.3], [34.2, 35.9], [39.7, 30.6]];
const GENTLE: &[Point] = &[[14.2, 30.4], [28.3, 22.2], [44.6, 40.1], [57.3, 27.4]];
const LOOP: &[Point] = &[[14.2, 44.4], [78.3, 4.2], [-8.6, 6.1], [57.3, 47.4]];

/// Bends, blobs, crossings, thin lines and overlaps on white paper, and a black one.
const HARD: [(&str, &[Stroke]); 9] = [
    ("a thick stroke on a tight bend", &[(TIGHT, 18.0, RED)]),
    ("a blob", &[(BLOB, 9.3, RED)]),
    ("a gentle thick stroke", &[(GENTLE, 8.4, RED)]),
    ("a stroke that crosses itself", &[(LOOP, 3.7, RED)]),
    ("a thin stroke that crosses itself", &[(LOOP, 0.8, RED)]),
    (
        "thin strokes",
        &[
            (
                &[[8.2, 12.4], [24.3, 2.2], [40.6, 30.1], [62.3, 17.4]],
                0.5,
                RED,
            ),
            (
                &[[9.2, 32.4], [24.3, 52.2], [40.6, 20.1], [60.3, 37.4]],
                0.7,
                BLUE,
            ),
            (
                &[[11.2, 52.4], [24.3, 42.2], [30.6, 45.1], [56.3, 55.4]],
                1.04,
                GREEN,
            ),
        ],
    ),
    (
        "translucent strokes over one another",
        &[
            (
                &[[12.2, 12.4], [24.3, 2.2], [40.6, 50.1], [62.3, 37.4]],
                6.5,
                RED,
            ),
            (
                &[[12.2, 42.4], [24.3, 52.2], [40.6, 5.1], [60.3, 17.4]],
                4.7,
                BLUE,
            ),
            (
                &[
                    [31.2, 9.4],
                    [36.3, 22.2],
                    [30.6, 35.1],
                    [37.3, 50.4],
                    [40.0, 57.0],
                    [45.0, 52.0],
                    [48.2, 47.1],
                ],
                3.1,
                GREEN,
            ),
        ],
    ),
    (
        "straight strokes with even points",
        &[
            (
                &[[10.3, 10.1], [20.3, 15.1], [30.3, 20.1], [40.3, 25.1]],
                2.5,
                RED,
            ),
            (
                &[[10.0, 40.25], [26.0, 41.0], [42.0, 41.75], [58.0, 42.5]],
                1.5,
                BLUE,
            ),
        ],
    ),
    (
        "strokes over the edge of black paper",
        &[
            (
                &[[-12.2, 12.4], [24.3, -12.2], [40.6, 50.1], [82.3, 37.4]],
                5.5,
                RED,
            ),
            (
                &[[12.2, 42.4], [24.3, 82.2], [40.6, 55.1], [60.3, 67.4]],
                7.7,
                BLUE,
            ),
        ],
    ),
];

/// Small scenes of one or a few strokes, the last one on black paper.
pub(crate) fn hard() -> Vec<Scene> {
    let scene = |(index, (name, strokes)): (usize, &(&'static str, &[Stroke]))| {
        let mut all = Strokes::new();
        for (points, half_width, color) in *strokes {
            all.push(points, *half_width, *color);
        }
        let black = Rgb {
            red: 0,
            green: 0,
            blue: 0,
        };
        let canvas = Canvas {
            width: 72,
            height: 60,
            background: if index + 1 == HARD.len() {
                black
            } else {
                Rgb::WHITE
            },
            is_transparent: false,
        };
        Scene {
            name,
            strokes: all,
            canvas,
        }
    };
    HARD.iter().enumerate().map(scene).collect()
}
