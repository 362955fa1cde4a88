//! Resampling a picture into views, and a gradient on the views back onto the picture.

use rand::Rng;
use rayon::prelude::*;

use super::homography::{Homography, random_perspective};
use super::window::{Window, random_window};
use crate::scene::Picture;

/// What lies around the canvas: white, as in the original notebook (torchvision's `fill=1`).
const FILL: f32 = 1.0;

/// Most samples to one output pixel along an axis.
const MOST_SAMPLES: f64 = 16.0;

/// A pixel with its three channels side by side, so that four of them are blended in one go; the
/// fourth number is not used.
type Texel = [f32; 4];

/// One view: a square around the canvas, warped and cropped. A canvas that is not square lies in
/// the middle of the square of its longer side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    perspective: Homography,
    window: Window,
}

/// Pixels of several views, `[N, 3, R, R]` in row-major order, values 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Views {
    /// The side of each view in pixels, R.
    pub side: usize,
    /// `N * 3 * R * R` values.
    pub values: Vec<f32>,
}

impl View {
    /// A random view of a canvas of `width` x `height` pixels.
    pub fn random(random: &mut impl Rng, width: usize, height: usize) -> Self {
        let side = width.max(height) as u32;
        Self {
            perspective: random_perspective(random, side),
            window: random_window(random, side),
        }
    }

    /// Where the point of a view of `side` pixels comes from, in canvas pixels.
    fn source(&self, [x, y]: [f64; 2], sampling: &Sampling) -> [f64; 2] {
        let window = &self.window;
        let [u, v] = self.perspective.map([
            f64::from(window.left) + x * sampling.step[0],
            f64::from(window.top) + y * sampling.step[1],
        ]);
        [u - sampling.margin[0], v - sampling.margin[1]]
    }

    /// Samples to one output pixel along an axis: one unless the view shrinks the picture, else
    /// about one for each source pixel, whose mean then is the antialiased pixel.
    fn samples(&self, side: usize, sampling: &Sampling) -> usize {
        let middle = side as f64 / 2.0;
        let [x, y] = self.source([middle, middle], sampling);
        let [right, below] = [[1.0, 0.0], [0.0, 1.0]].map(|[dx, dy]| {
            let [u, v] = self.source([middle + dx, middle + dy], sampling);
            (u - x).hypot(v - y)
        });
        right.max(below).round().clamp(1.0, MOST_SAMPLES) as usize
    }
}

/// The measures of one view's resampling.
struct Sampling {
    /// Pixels of the square for one pixel of the view, along x and y.
    step: [f64; 2],
    /// Pixels from the square's edge to the canvas, along x and y.
    margin: [f64; 2],
}

impl Sampling {
    fn new(view: &View, side: usize, width: usize, height: usize) -> Self {
        let square = width.max(height);
        Self {
            step: [view.window.width, view.window.height]
                .map(|length| f64::from(length) / side as f64),
            margin: [width, height].map(|length| (square - length) as f64 / 2.0),
        }
    }
}

/// `count` random views of a canvas of `width` x `height` pixels.
pub fn random_views(random: &mut impl Rng, count: usize, width: usize, height: usize) -> Vec<View> {
    (0..count)
        .map(|_| View::random(random, width, height))
        .collect()
}

impl Views {
    /// Resamples a picture into views of `side` pixels, bilinear, with white around the canvas;
    /// a pixel of a view that spans several of the picture is their mean.
    pub fn new(picture: &Picture, views: &[View], side: usize) -> Self {
        let texels = interleave(picture);
        let plane = side * side;
        let mut values = vec![0.0; views.len() * 3 * plane];
        values
            .par_chunks_mut(3 * plane)
            .zip(views)
            .for_each(|(planes, view)| {
                visit(
                    view,
                    side,
                    picture.width(),
                    picture.height(),
                    |index, weight, taps| {
                        let color = gather(&texels, &taps);
                        for (channel, value) in color[..3].iter().enumerate() {
                            planes[channel * plane + index] += weight * value;
                        }
                    },
                );
            });
        Self { side, values }
    }
}

/// The gradient on the picture's values for a gradient on the views' values: the transpose of the
/// linear map that [`Views::new`] is.
pub fn view_gradient(gradient: &Views, views: &[View], width: usize, height: usize) -> Picture {
    let side = gradient.side;
    let plane = side * side;
    let parts: Vec<Vec<Texel>> = gradient
        .values
        .par_chunks(3 * plane)
        .zip(views)
        .map(|(planes, view)| {
            let mut texels = vec![[0.0; 4]; width * height];
            visit(view, side, width, height, |index, weight, taps| {
                let slope = [0, 1, 2].map(|channel| weight * planes[channel * plane + index]);
                scatter(&mut texels, &taps, slope);
            });
            texels
        })
        .collect();
    // The views are added in their order, so that the sum does not depend on the threads.
    let mut picture = Picture::filled(width, height, [0.0; 3]);
    let area = width * height;
    for texels in &parts {
        for (channel, values) in picture.values_mut().chunks_mut(area).enumerate() {
            for (value, texel) in values.iter_mut().zip(texels) {
                *value += texel[channel];
            }
        }
    }
    picture
}

fn interleave(picture: &Picture) -> Vec<Texel> {
    let area = picture.width() * picture.height();
    let values = picture.values();
    (0..area)
        .map(|index| {
            [
                values[index],
                values[area + index],
                values[2 * area + index],
                0.0,
            ]
        })
        .collect()
}

/// The four pixels around a point with their bilinear weights; `None` lies outside the canvas.
struct Taps {
    pixels: [Option<usize>; 4],
    weights: [f32; 4],
}

/// Calls `use_sample(output pixel, weight, taps)` for every sample of a view.
fn visit(
    view: &View,
    side: usize,
    width: usize,
    height: usize,
    mut use_sample: impl FnMut(usize, f32, Taps),
) {
    let sampling = Sampling::new(view, side, width, height);
    let samples = view.samples(side, &sampling);
    let weight = 1.0 / (samples * samples) as f32;
    let offset =
        |index: usize, sample: usize| index as f64 + (sample as f64 + 0.5) / samples as f64;
    for row in 0..side {
        for sample_row in 0..samples {
            for column in 0..side {
                for sample_column in 0..samples {
                    let point = [offset(column, sample_column), offset(row, sample_row)];
                    let source = view.source(point, &sampling);
                    use_sample(row * side + column, weight, taps(source, width, height));
                }
            }
        }
    }
}

fn taps([x, y]: [f64; 2], width: usize, height: usize) -> Taps {
    // Pixel centres lie at half-integers.
    let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
    let (fx, fy) = ((x - 0.5 - left) as f32, (y - 0.5 - top) as f32);
    let inside = |column: f64, row: f64| {
        let on_canvas =
            (0.0..width as f64).contains(&column) && (0.0..height as f64).contains(&row);
        on_canvas.then_some(row as usize * width + column as usize)
    };
    Taps {
        pixels: [
            inside(left, top),
            inside(left + 1.0, top),
            inside(left, top + 1.0),
            inside(left + 1.0, top + 1.0),
        ],
        weights: [
            (1.0 - fx) * (1.0 - fy),
            fx * (1.0 - fy),
            (1.0 - fx) * fy,
            fx * fy,
        ],
    }
}

fn gather(texels: &[Texel], taps: &Taps) -> Texel {
    let mut color = [0.0; 4];
    for (pixel, weight) in taps.pixels.iter().zip(taps.weights) {
        let texel = pixel.map_or([FILL; 4], |index| texels[index]);
        for (sum, value) in color.iter_mut().zip(texel) {
            *sum += weight * value;
        }
    }
    color
}

fn scatter(texels: &mut [Texel], taps: &Taps, slope: [f32; 3]) {
    let slope = [slope[0], slope[1], slope[2], 0.0];
    for (pixel, weight) in taps.pixels.iter().zip(taps.weights) {
        if let Some(index) = pixel {
            for (sum, value) in texels[*index].iter_mut().zip(slope) {
                *sum += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn noise(width: usize, height: usize, seed: u64) -> Picture {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..3 * width * height).map(|_| random.random()).collect();
        Picture::new(width, height, values)
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    }

    #[test]
    fn a_white_picture_stays_white_to_the_edge_in_every_view() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (width, height) in [(224, 224), (100, 64)] {
            let views = random_views(&mut random, 8, width, height);
            let picture = Picture::filled(width, height, [1.0; 3]);
            for side in [16, 64, 224] {
                let seen = Views::new(&picture, &views, side);
                assert!(seen.values.iter().all(|value| (value - 1.0).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn the_gradient_is_the_transpose_of_the_resampling() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for (width, height, side) in [(70, 70, 32), (40, 90, 64), (64, 64, 8)] {
            let views = random_views(&mut random, 3, width, height);
            let (picture, other) = (noise(width, height, 1), noise(width, height, 2));
            let gradient = Views {
                side,
                values: noise(side, 3 * side, 3).values().to_vec(),
            };
            let [seen, seen_other] = [&picture, &other].map(|p| Views::new(p, &views, side));
            let back = view_gradient(&gradient, &views, width, height);
            let change =
                dot(&gradient.values, &seen.values) - dot(&gradient.values, &seen_other.values);
            let predicted =
                dot(back.values(), picture.values()) - dot(back.values(), other.values());
            assert!(
                (change - predicted).abs() < 1e-3 * change.abs().max(1.0),
                "{change} {predicted}"
            );
        }
    }

    #[test]
    fn shrinking_views_average_instead_of_skipping_pixels() {
        let (width, height) = (224, 224);
        let mut picture = Picture::filled(width, height, [0.0; 3]);
        for (index, value) in picture.values_mut().iter_mut().enumerate() {
            *value = ((index % width + index / width) % 2) as f32;
        }
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let view = View::random(&mut random, width, height);
        let seen = Views::new(&picture, &[view], 32);
        let middle = seen.values[16 * 32 + 16];
        assert!(
            (middle - 0.5).abs() < 0.1,
            "a checkerboard seen from afar is grey, not {middle}"
        );
    }
}
