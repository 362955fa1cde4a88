//! Resampling a picture into views, and a gradient with respect to the views back to the picture.
//!
//! Every pixel of a view looks up its place in the canvas (the inverse map, so no pixel stays
//! empty) and blends the four pixels around it:
//!
//! ```text
//!   view, R x R               square of the longer side          canvas
//!
//!   +---+---+                   . . . . . . . .
//!   | x |   |  crop's scale     . +-------+   .   homography    a---x-------b   bilinear weights
//!   +---+---+ ------------->    . | x     |   . ------------->  |   |       |   of the texels
//!   |   |   |  and offset       . +-------+   .   f64           c---+-------d   a, b, c, d
//!   +---+---+                   . . . . . . . .
//! ```
//!
//! For fixed view transforms this map is linear in the pixels, `views = A picture + white border`,
//! so its gradient is `A^T gradient`: each sample scatters to the texels that it was blended from,
//! with the same weights.

use rayon::prelude::*;

use crate::render::view::{Projection, ViewSampling, ViewTransform};
use crate::scene::Picture;

/// The colour around the canvas: white, as in the original notebook (torchvision's `fill=1`).
const FILL: f32 = 1.0;

/// Views whose gradients are scattered in parallel; each needs an image as large as the canvas.
const VIEWS_AT_ONCE: usize = 8;

/// A pixel with its three channels side by side, so that one vector operation blends them all; the
/// fourth number is not used.
type Texel = [f32; 4];

/// The pixels of a batch of views, `[N, 3, R, R]` in row-major order, values 0 to 1 in sRGB, or the
/// gradient of a loss with respect to them.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewBatch {
    /// The side of each view in pixels, R.
    pub side: usize,
    /// `N * 3 * R * R` values, in the order of views, channels, rows and columns.
    pub values: Vec<f32>,
}

impl ViewBatch {
    /// Resamples a picture `[3, H, W]` into views of `side` by `side` pixels, bilinearly, with white
    /// around the canvas. A pixel of a view that spans several of the picture is their mean.
    pub fn new(picture: &Picture, views: &[ViewTransform], side: usize) -> Self {
        let image = BorderedImage::of(picture);
        let plane = side * side;
        let mut values = vec![0.0; views.len() * 3 * plane];
        values
            .par_chunks_mut(3 * plane)
            .zip(views)
            .for_each(|(planes, view)| {
                let sampling = Sampling::new(view, side, picture.width(), picture.height());
                sampling.for_each_sample(|pixel, tap| {
                    let color = image.blend(tap);
                    for (channel, value) in color[..3].iter().enumerate() {
                        planes[channel * plane + pixel] += value;
                    }
                });
            });
        Self { side, values }
    }
}

/// The gradient with respect to the picture `[3, H, W]`, from the gradient with respect to the views
/// `[N, 3, R, R]`: the transpose of the linear map in [`ViewBatch::new`].
pub fn view_gradient(
    gradient: &ViewBatch,
    views: &[ViewTransform],
    width: usize,
    height: usize,
) -> Picture {
    let side = gradient.side;
    let plane = side * side;
    let scatter = |(planes, view): (&[f32], &ViewTransform)| {
        let mut image = BorderedImage::blank(width, height);
        Sampling::new(view, side, width, height).for_each_sample(|pixel, tap| {
            let gradient = [0, 1, 2].map(|channel| planes[channel * plane + pixel]);
            image.scatter(tap, gradient);
        });
        image
    };
    let mut picture = Picture::filled(width, height, [0.0; 3]);
    let batches = gradient.values.chunks(VIEWS_AT_ONCE * 3 * plane);
    for (values, views) in batches.zip(views.chunks(VIEWS_AT_ONCE)) {
        let images: Vec<BorderedImage> = values
            .par_chunks(3 * plane)
            .zip(views)
            .map(scatter)
            .collect();
        // The sum of floats depends on its order. Each view has its own image to scatter to, and
        // these are added up in the order of the views, whichever thread finished first.
        for image in &images {
            image.add_to(&mut picture);
        }
    }
    picture
}

/// An image with a border, so that the area around the canvas needs no special case.
///
/// A sample beyond the canvas is clamped into the border, where all four texels are white. In the
/// transpose, what is scattered to the border is dropped: white does not depend on the strokes.
///
/// ```text
///   w w w w w w
///   w p p p w w      p canvas, w white: one column before it, two behind it; the last one is only
///   w p p p w w      read with weight 0, by samples clamped to the far side
///   w w w w w w
///   w w w w w w
/// ```
struct BorderedImage {
    texels: Vec<Texel>,
    width: usize,
    height: usize,
}

/// Columns and rows of border before the canvas.
const BEFORE: usize = 1;
/// Columns and rows of border on both sides together.
const BORDERS: usize = BEFORE + 2;

impl BorderedImage {
    fn blank(width: usize, height: usize) -> Self {
        Self {
            texels: vec![[0.0; 4]; (width + BORDERS) * (height + BORDERS)],
            width,
            height,
        }
    }

    /// The texels of one row of the canvas.
    fn row(&self, y: usize) -> std::ops::Range<usize> {
        let first = (y + BEFORE) * (self.width + BORDERS) + BEFORE;
        first..first + self.width
    }

    fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let mut image = Self::blank(width, height);
        image.texels.fill([FILL; 4]);
        let [red, green, blue] =
            [0, 1, 2].map(|channel| &picture.values()[channel * width * height..]);
        for y in 0..height {
            let range = image.row(y);
            for (x, texel) in image.texels[range].iter_mut().enumerate() {
                let pixel = y * width + x;
                *texel = [red[pixel], green[pixel], blue[pixel], 0.0];
            }
        }
        image
    }

    fn add_to(&self, picture: &mut Picture) {
        let area = self.width * self.height;
        for (channel, plane) in picture.values_mut().chunks_mut(area).enumerate() {
            for (y, row) in plane.chunks_mut(self.width).enumerate() {
                for (value, texel) in row.iter_mut().zip(&self.texels[self.row(y)]) {
                    *value += texel[channel];
                }
            }
        }
    }

    /// The weighted sum of four texels.
    #[inline]
    fn blend(&self, tap: BilinearTap) -> Texel {
        let stride = self.width + BORDERS;
        let above = &self.texels[tap.first..tap.first + 2];
        let below = &self.texels[tap.first + stride..tap.first + stride + 2];
        let mut color = [0.0; 4];
        for (channel, value) in color.iter_mut().enumerate() {
            *value = tap.weights[0] * above[0][channel]
                + tap.weights[1] * above[1][channel]
                + tap.weights[2] * below[0][channel]
                + tap.weights[3] * below[1][channel];
        }
        color
    }

    /// Adds a gradient to four texels by their weights.
    #[inline]
    fn scatter(&mut self, tap: BilinearTap, [red, green, blue]: [f32; 3]) {
        let stride = self.width + BORDERS;
        let gradient = [red, green, blue, 0.0];
        for (row, weights) in tap.weights.chunks_exact(2).enumerate() {
            let first = tap.first + row * stride;
            for (texel, weight) in self.texels[first..first + 2].iter_mut().zip(weights) {
                for (value, gradient) in texel.iter_mut().zip(gradient) {
                    *value += weight * gradient;
                }
            }
        }
    }
}

/// Two by two texels around a sample: the index of the first in its [`BorderedImage`], and the weights in
/// reading order, which add up to the weight of the sample in its pixel's mean.
#[derive(Clone, Copy)]
struct BilinearTap {
    first: usize,
    weights: [f32; 4],
}

/// How one view is resampled.
struct Sampling {
    /// From positions in the view to positions in the canvas, both in pixels.
    source: Projection,
    /// Pixels along a side of the view.
    side: usize,
    /// Samples in a pixel along an axis.
    samples: usize,
    /// Size of the canvas in pixels.
    canvas: [usize; 2],
}

impl Sampling {
    fn new(view: &ViewTransform, side: usize, width: usize, height: usize) -> Self {
        let ViewSampling { source, samples } = view.sampling(side, width, height);
        Self {
            source,
            side,
            samples,
            canvas: [width, height],
        }
    }

    /// Calls `use_sample(index of the view's pixel, tap)` for every sample, row by row. The forward map and
    /// its transpose both go through here, so they cannot disagree.
    fn for_each_sample(&self, mut use_sample: impl FnMut(usize, BilinearTap)) {
        let weight = 1.0 / (self.samples * self.samples) as f32;
        let mut sources = vec![[0.0_f32; 2]; self.side * self.samples];
        for row in 0..self.side * self.samples {
            self.find_sources(row, &mut sources);
            let first_pixel = row / self.samples * self.side;
            for (column, sources) in sources.chunks_exact(self.samples).enumerate() {
                for source in sources {
                    use_sample(first_pixel + column, self.tap(*source, weight));
                }
            }
        }
    }

    /// The positions in the canvas of one row of samples. They are found in double precision,
    /// because a projective map can cancel large terms.
    fn find_sources(&self, row: usize, sources: &mut [[f32; 2]]) {
        let step = 1.0 / self.samples as f64;
        let y = (row as f64 + 0.5) * step;
        for (index, source) in sources.iter_mut().enumerate() {
            let x = (index as f64 + 0.5) * step;
            *source = self.source.map([x, y]).map(|coordinate| coordinate as f32);
        }
    }

    #[inline]
    fn tap(&self, source: [f32; 2], weight: f32) -> BilinearTap {
        // Pixel centres lie at half-integers. What is clamped lies in the border, where all
        // texels are the same, so the weights do not matter.
        let texel = |coordinate: f32, length: usize| {
            (coordinate - 0.5).clamp(-1.0, length as f32) + BEFORE as f32
        };
        let x = texel(source[0], self.canvas[0]);
        let y = texel(source[1], self.canvas[1]);
        let (column, row) = (x as usize, y as usize);
        let (right, below) = (x - column as f32, y - row as f32);
        let (upper, lower) = ((1.0 - below) * weight, below * weight);
        BilinearTap {
            first: row * (self.canvas[0] + BORDERS) + column,
            weights: [
                (1.0 - right) * upper,
                right * upper,
                (1.0 - right) * lower,
                right * lower,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::render::view::random_views;

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
                let seen = ViewBatch::new(&picture, &views, side);
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
            let gradient = ViewBatch {
                side,
                values: noise(side, 3 * side, 3).values().to_vec(),
            };
            let [seen, seen_other] = [&picture, &other].map(|p| ViewBatch::new(p, &views, side));
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

    /// The same view by libtorch: its `grid_sample` fills with zeros, so the negative is sampled.
    fn by_grid_sample(picture: &Picture, view: &ViewTransform, side: usize) -> Vec<f32> {
        let (width, height) = (picture.width(), picture.height());
        let square = width.max(height);
        let window = &view.window;
        let place =
            |index: usize, length: u32| (index as f64 + 0.5) * f64::from(length) / side as f64;
        let grid = (0..side * side).flat_map(|pixel| {
            let x = f64::from(window.left) + place(pixel % side, window.width);
            let y = f64::from(window.top) + place(pixel / side, window.height);
            let [u, v] = view.perspective.map([x, y]);
            let normal = |place: f64, length: usize| {
                let on_canvas = place - (square - length) as f64 / 2.0;
                (2.0 * on_canvas / length as f64 - 1.0) as f32
            };
            [normal(u, width), normal(v, height)]
        });
        let grid: Vec<f32> = grid.collect();
        let grid = tch::Tensor::from_slice(&grid).view([1, side as i64, side as i64, 2]);
        let negative: tch::Tensor = 1.0 - tch::Tensor::from_slice(picture.values());
        let negative = negative.view([1, 3, height as i64, width as i64]);
        let seen: tch::Tensor = 1.0 - negative.grid_sampler(&grid, 0, 0, false);
        Vec::try_from(&seen.view(-1)).unwrap()
    }

    #[test]
    fn views_that_do_not_shrink_equal_libtorchs_grid_sample() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for (width, height) in [(64, 64), (48, 80)] {
            let picture = noise(width, height, 8);
            let view = ViewTransform::random(&mut random, width, height);
            let seen = ViewBatch::new(&picture, &[view], 96).values;
            let expected = by_grid_sample(&picture, &view, 96);
            let worst = seen
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 2e-4, "{worst}");
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
        let view = ViewTransform::random(&mut random, width, height);
        let seen = ViewBatch::new(&picture, &[view], 32);
        let middle = seen.values[16 * 32 + 16];
        assert!(
            (middle - 0.5).abs() < 0.1,
            "a checkerboard seen from afar is gray, not {middle}"
        );
    }
}
