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
//!
//! Both directions are divided so that no sum depends on the number of threads: the views by rows of their
//! pixels, the gradient by bands of rows of the canvas. A band is small enough for a cache. Every view is scattered to
//! a band of its own, and these are added up in the order of the views.

mod sampling;
mod texels;

use std::ops::Range;

use rayon::prelude::*;

use self::sampling::Sampling;
use self::texels::{Band, BorderedImage, Texel};
use crate::render::view::ViewTransform;
use crate::scene::Picture;

/// The number of bands of a canvas, each of which is one task.
const BANDS: usize = 16;

/// The fewest rows of a band. In every band, every view is searched for the samples that reach it.
const MIN_BAND_ROWS: usize = 8;

/// The rows of a view's pixels that are one task.
const VIEW_ROWS: usize = 16;

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
                let [red, green, blue] = planes
                    .get_disjoint_mut([0..plane, plane..2 * plane, 2 * plane..3 * plane])
                    .expect("three ranges that do not overlap");
                let rows = VIEW_ROWS * side;
                red.par_chunks_mut(rows)
                    .zip(green.par_chunks_mut(rows))
                    .zip(blue.par_chunks_mut(rows))
                    .enumerate()
                    .for_each(|(part, ((red, green), blue))| {
                        resample(&image, &sampling, part * VIEW_ROWS, [red, green, blue]);
                    });
            });
        Self { side, values }
    }
}

/// Computes some rows of a view's pixels, from `first_row` on.
fn resample(
    image: &BorderedImage,
    sampling: &Sampling,
    first_row: usize,
    [red, green, blue]: [&mut [f32]; 3],
) {
    let side = sampling.side();
    let mut sums: Vec<Texel> = vec![[0.0; 4]; side];
    let rows = red
        .chunks_mut(side)
        .zip(green.chunks_mut(side))
        .zip(blue.chunks_mut(side));
    for (row, ((red, green), blue)) in (first_row..).zip(rows) {
        sums.fill([0.0; 4]);
        sampling.for_each_sample_of_row(row, |column, tap| {
            let color = image.blend(tap);
            for (sum, value) in sums[column].iter_mut().zip(color) {
                *sum += value;
            }
        });
        for (column, sum) in sums.iter().enumerate() {
            (red[column], green[column], blue[column]) = (sum[0], sum[1], sum[2]);
        }
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
    let views: Vec<(Sampling, Vec<Texel>)> = views
        .iter()
        .zip(gradient.values.chunks(3 * side * side))
        .map(|(view, planes)| (Sampling::new(view, side, width, height), texels_of(planes)))
        .collect();
    let rows = height.div_ceil(BANDS).max(MIN_BAND_ROWS);
    let bands: Vec<Band> = (0..height.div_ceil(rows))
        .into_par_iter()
        .map(|band| band * rows..((band + 1) * rows).min(height))
        .map(|rows| gradient_of_band(&views, rows, width))
        .collect();
    let mut picture = Picture::filled(width, height, [0.0; 3]);
    let planes = picture.values_mut().chunks_mut(width * height);
    for (channel, plane) in planes.enumerate() {
        plane
            .par_chunks_mut(width * rows)
            .zip(&bands)
            .for_each(|(rows, band)| band.write(channel, rows));
    }
    picture
}

/// The gradient on some rows of the canvas.
fn gradient_of_band(views: &[(Sampling, Vec<Texel>)], rows: Range<usize>, width: usize) -> Band {
    let mut sum = Band::new(rows.clone(), width);
    let mut of_view = Band::new(rows.clone(), width);
    for (sampling, gradient) in views {
        of_view.clear();
        sampling.for_each_sample_near(&rows, |pixel, tap| of_view.scatter(tap, gradient[pixel]));
        of_view.add_to(&mut sum);
    }
    sum
}

/// The channels of each pixel side by side, from planes `[3, R, R]`.
fn texels_of(planes: &[f32]) -> Vec<Texel> {
    let (red, others) = planes.split_at(planes.len() / 3);
    let (green, blue) = others.split_at(others.len() / 2);
    let pixels = red.iter().zip(green).zip(blue);
    pixels
        .map(|((red, green), blue)| [*red, *green, *blue, 0.0])
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::sampling::{BEFORE, BilinearTap};
    use super::*;
    use crate::render::view::{Homography, random_views};

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

    /// What [`view_gradient`] computes, with one band of all rows.
    fn scattered(
        gradient: &ViewBatch,
        views: &[ViewTransform],
        [width, height]: [usize; 2],
    ) -> Vec<f32> {
        let side = gradient.side;
        let mut sum = vec![0.0; 3 * width * height];
        for (view, planes) in views.iter().zip(gradient.values.chunks(3 * side * side)) {
            let mut own = vec![0.0; 3 * width * height];
            let sampling = Sampling::new(view, side, width, height);
            for row in 0..side {
                sampling.for_each_sample_of_row(row, |column, tap| {
                    let pixel = row * side + column;
                    let gradient = [0, 1, 2].map(|channel| planes[channel * side * side + pixel]);
                    scatter(&mut own, tap, gradient, [width, height]);
                });
            }
            for (sum, own) in sum.iter_mut().zip(own) {
                *sum += own;
            }
        }
        sum
    }

    /// Adds a gradient to planes `[3, H, W]`.
    fn scatter(
        planes: &mut [f32],
        tap: BilinearTap,
        gradient: [f32; 3],
        [width, height]: [usize; 2],
    ) {
        for (corner, weight) in tap.weights.into_iter().enumerate() {
            let x = (tap.column + corner % 2).wrapping_sub(BEFORE);
            let y = (tap.row + corner / 2).wrapping_sub(BEFORE);
            if x >= width || y >= height {
                continue;
            }
            for (channel, gradient) in gradient.into_iter().enumerate() {
                planes[(channel * height + y) * width + x] += weight * gradient;
            }
        }
    }

    #[test]
    fn bands_give_the_bytes_of_a_sum_over_all_samples() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let turned = |angle: f64| {
            let (sin, cos) = angle.sin_cos();
            Homography([cos, -sin, 40.0, sin, cos, -20.0, 0.0, 0.0])
        };
        for (width, height, side) in [(70, 70, 32), (40, 90, 64), (300, 130, 16), (5, 3, 9)] {
            let mut views = random_views(&mut random, 6, width, height);
            // Level rows, rows along the columns, falling rows, and a horizon within the view.
            let horizon = Homography([1.0, 0.1, 0.0, 0.2, 1.0, 0.0, -0.03, 0.01]);
            let perspectives = [Homography::IDENTITY, turned(1.57), turned(3.1), horizon];
            for (view, perspective) in views.iter_mut().zip(perspectives) {
                view.perspective = perspective;
            }
            let gradient = ViewBatch {
                side,
                values: noise(side, 6 * side, 3).values().to_vec(),
            };
            let found = view_gradient(&gradient, &views, width, height);
            let expected = scattered(&gradient, &views, [width, height]);
            let unequal = found
                .values()
                .iter()
                .zip(&expected)
                .filter(|(a, b)| a != b)
                .count();
            assert_eq!(
                (unequal, found.values().len()),
                (0, expected.len()),
                "{width}x{height}"
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
