//! Repaints pictures with the strokes of a drawing, so that the image tower learns what things look like
//! in strokes: layer upon layer, from broad strokes to fine ones, each layer where the error of those
//! below it is largest (Hertzmann, "Painterly Rendering with Curved Brush Strokes of Multiple Sizes",
//! 1998).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pack::{PICTURE_BYTES, SIDE};
use super::strokes_picture::{canvas, transparent};
use clipdraw::render::cpu::raster;
use clipdraw::scene::REFERENCE_SIDE;
use clipdraw::scene::{Picture, Point, Rgb, Strokes};

/// Half of the width of the strokes of each layer, in pixels of the 224 canvas, and the part of all strokes
/// that it gets.
const LAYERS: [(f32, f32); 6] = [
    (10.0, 0.20),
    (7.0, 0.22),
    (4.5, 0.22),
    (3.0, 0.18),
    (2.0, 0.10),
    (1.2, 0.08),
];
/// The number of strokes of a painting lies between these.
const STROKES: [f32; 2] = [60.0, 400.0];
/// The opacity of a stroke is at least this.
const LEAST_OPACITY: f32 = 0.3;
/// Control points of the longest stroke: three segments.
const MOST_POINTS: usize = 10;
/// How far a color may be from what is to be painted, per channel.
const COLOR_NOISE: f32 = 0.03;
/// Below this mean square error nothing is left to paint.
const DONE: f32 = 1e-5;

/// Repaints a picture of a pack with 60 to 400 strokes. Returns the picture of the strokes, with a
/// transparent background.
///
/// The same seed gives the same strokes.
///
/// # Panics
/// When the picture is not [`PICTURE_BYTES`] long.
pub fn paint(picture: &[u8], seed: u64) -> Vec<u8> {
    transparent(&strokes(picture, seed))
}

/// The strokes of a painting, on a canvas of [`SIDE`] pixels.
fn strokes(picture: &[u8], seed: u64) -> Strokes {
    assert_eq!(picture.len(), PICTURE_BYTES, "a picture has one size");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let target = on_white(picture);
    let [fewest, most] = STROKES.map(f32::ln);
    let count = random.random_range(fewest..most).exp();
    let mut strokes = Strokes::new();
    for (half_width, part) in LAYERS {
        let half_width = half_width * SIDE as f32 / REFERENCE_SIDE;
        let seen = raster::paint(&strokes, &canvas(Rgb::WHITE)).into_picture();
        let mut layer = PaintLayer {
            reference: blurred(&target, half_width),
            seen,
            half_width,
        };
        layer.add((count * part).round() as usize, &mut strokes, &mut random);
    }
    strokes
}

/// The picture on a white ground.
fn on_white(picture: &[u8]) -> Picture {
    let pixels = picture.as_chunks::<4>().0;
    let values = (0..3).flat_map(|channel| {
        pixels.iter().map(move |pixel| {
            let ground = 255 - pixel[3];
            f32::from(pixel[channel].saturating_add(ground)) / 255.0
        })
    });
    Picture::new(SIDE, SIDE, values.collect())
}

/// The mean over a square that is as wide as a stroke.
fn blurred(picture: &Picture, half_width: f32) -> Picture {
    let reach = (half_width / 2.0).round() as usize;
    if reach == 0 {
        return picture.clone();
    }
    let mut values = picture.values().to_vec();
    for plane in values.chunks_mut(SIDE * SIDE) {
        smooth(plane, reach, 1, SIDE);
        smooth(plane, reach, SIDE, 1);
    }
    Picture::new(SIDE, SIDE, values)
}

/// Makes every value the mean of those up to `reach` away in its line; `along` and `across` are the steps
/// from one value of a line to the next and from line to line.
fn smooth(plane: &mut [f32], reach: usize, along: usize, across: usize) {
    for line in 0..SIDE {
        let place = |index: usize| line * across + index * along;
        let values: Vec<f32> = (0..SIDE).map(|index| plane[place(index)]).collect();
        for index in 0..SIDE {
            let near = &values[index.saturating_sub(reach)..(index + reach + 1).min(SIDE)];
            plane[place(index)] = near.iter().sum::<f32>() / near.len() as f32;
        }
    }
}

/// Strokes of one width over what has been painted so far.
struct PaintLayer {
    /// What is to be painted, as far as strokes of this width can.
    reference: Picture,
    /// What the layers below show.
    seen: Picture,
    /// Half of the width, in pixels.
    half_width: f32,
}

impl PaintLayer {
    fn add(&mut self, count: usize, strokes: &mut Strokes, random: &mut ChaCha8Rng) {
        let mut errors: Vec<f32> = (0..SIDE * SIDE)
            .map(|index| {
                let (x, y) = (index % SIDE, index / SIDE);
                distance(self.reference.pixel(x, y), self.seen.pixel(x, y))
            })
            .collect();
        for _ in 0..count {
            let total: f32 = errors.iter().sum();
            if total < DONE * errors.len() as f32 {
                return;
            }
            let start = drawn_from(&errors, total * random.random::<f32>());
            let half_width = self.half_width * random.random_range(0.8..1.25);
            let color = self.reference.pixel(start % SIDE, start / SIDE);
            let points = self.path(start, color, half_width, random);
            for point in &points {
                forget(&mut errors, *point, half_width);
            }
            let noise = |channel: f32, random: &mut ChaCha8Rng| {
                channel + random.random_range(-COLOR_NOISE..COLOR_NOISE)
            };
            let [red, green, blue] = color.map(|channel| noise(channel, random).clamp(0.0, 1.0));
            let opacity = 1.0 - (1.0 - LEAST_OPACITY) * random.random::<f32>().powi(2);
            strokes.push(&points, half_width, [red, green, blue, opacity]);
        }
    }

    /// Follows the color from a pixel, across the direction in which brightness changes, as long as the
    /// stroke makes the picture better.
    fn path(
        &self,
        start: usize,
        color: [f32; 3],
        half_width: f32,
        random: &mut ChaCha8Rng,
    ) -> Vec<Point> {
        let mut point = [start % SIDE, start / SIDE].map(|index| index as f32 + 0.5);
        let angle = random.random_range(0.0..std::f32::consts::TAU);
        let mut heading = [angle.cos(), angle.sin()];
        let step = (0.8 * half_width).max(1.0);
        let most = random.random_range(4..=MOST_POINTS);
        let mut points = vec![point];
        while points.len() < most {
            heading = self.along_the_edge(point, heading);
            let next = [point[0] + step * heading[0], point[1] + step * heading[1]];
            let Some((x, y)) = pixel_at(next) else { break };
            let wanted = self.reference.pixel(x, y);
            if points.len() > 1 && distance(wanted, color) > distance(wanted, self.seen.pixel(x, y))
            {
                break;
            }
            point = next;
            points.push(point);
        }
        whole_segments(points, heading, step)
    }

    /// The direction along which brightness stays the same, on the side of the heading; the heading itself
    /// where nothing changes.
    fn along_the_edge(&self, point: Point, heading: [f32; 2]) -> [f32; 2] {
        let light = |dx: f32, dy: f32| {
            let clamp = |value: f32| (value.max(0.0) as usize).min(SIDE - 1);
            let [red, green, blue] = self
                .reference
                .pixel(clamp(point[0] + dx), clamp(point[1] + dy));
            0.3 * red + 0.59 * green + 0.11 * blue
        };
        let gradient = [
            light(1.0, 0.0) - light(-1.0, 0.0),
            light(0.0, 1.0) - light(0.0, -1.0),
        ];
        let length = gradient[0].hypot(gradient[1]);
        if length < 0.02 {
            return heading;
        }
        let along = [-gradient[1] / length, gradient[0] / length];
        let same_side = along[0] * heading[0] + along[1] * heading[1] >= 0.0;
        if same_side {
            along
        } else {
            along.map(|component| -component)
        }
    }
}

fn distance(one: [f32; 3], other: [f32; 3]) -> f32 {
    one.iter()
        .zip(other)
        .map(|(one, other)| (one - other).powi(2))
        .sum()
}

/// The pixel at which the sum of the errors before it reaches a value.
fn drawn_from(errors: &[f32], mut value: f32) -> usize {
    for (index, error) in errors.iter().enumerate() {
        value -= error;
        if value <= 0.0 && *error > 0.0 {
            return index;
        }
    }
    errors.len() - 1
}

/// Takes the error off where a stroke has just been laid.
fn forget(errors: &mut [f32], point: Point, half_width: f32) {
    let around = |center: f32| {
        let low = (center - half_width).max(0.0) as usize;
        low..((center + half_width).max(0.0) as usize + 1).min(SIDE)
    };
    for y in around(point[1]) {
        for x in around(point[0]) {
            errors[y * SIDE + x] = 0.0;
        }
    }
}

fn pixel_at(point: Point) -> Option<(usize, usize)> {
    let inside = point
        .iter()
        .all(|&value| (0.0..SIDE as f32).contains(&value));
    inside.then(|| (point[0] as usize, point[1] as usize))
}

/// Makes the points of a path the control points of one, two or three cubic segments.
fn whole_segments(mut points: Vec<Point>, heading: [f32; 2], step: f32) -> Vec<Point> {
    while points.len() < 4 {
        let last = points[points.len() - 1];
        // Less than a step, so that a dab on a detail stays a dab.
        let short = 0.3 * step;
        points.push([last[0] + short * heading[0], last[1] + short * heading[1]]);
    }
    points.truncate(1 + (points.len() - 1) / 3 * 3);
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red disc on a clear ground.
    fn disc() -> Vec<u8> {
        let pixels = (0..SIDE * SIDE).flat_map(|index| {
            let (x, y) = ((index % SIDE) as f32 - 40.0, (index / SIDE) as f32 - 40.0);
            if x.hypot(y) < 25.0 {
                [220, 20, 20, 255]
            } else {
                [0; 4]
            }
        });
        pixels.collect()
    }

    /// Mean square error of two pictures on a white ground.
    fn difference(one: &[u8], other: &[u8]) -> f32 {
        let [one, other] = [one, other].map(on_white);
        let pairs = one.values().iter().zip(other.values());
        let squares = pairs.map(|(one, other)| (one - other).powi(2));
        squares.sum::<f32>() / one.values().len() as f32
    }

    #[test]
    fn a_painting_looks_like_its_picture_and_is_made_of_strokes_as_drawings_are() {
        let empty = difference(&disc(), &vec![0; PICTURE_BYTES]);
        for seed in 0..4 {
            let strokes = strokes(&disc(), seed);
            assert!((40..=400).contains(&strokes.len()), "{}", strokes.len());
            let scale = SIDE as f32 / REFERENCE_SIDE;
            for stroke in 0..strokes.len() {
                assert!([4, 7, 10].contains(&strokes.points_of(stroke).len()));
                assert!((0.9..=12.5).contains(&(strokes.half_widths[stroke] / scale)));
                assert!((LEAST_OPACITY..=1.0).contains(&strokes.colors[stroke][3]));
            }
            let painted = difference(&disc(), &paint(&disc(), seed));
            assert!(
                painted < empty / 5.0,
                "{painted} of {empty}, {} strokes",
                strokes.len()
            );
        }
    }

    #[test]
    fn the_same_seed_paints_the_same_picture() {
        assert_eq!(paint(&disc(), 5), paint(&disc(), 5));
        assert_ne!(paint(&disc(), 5), paint(&disc(), 6));
    }
}
