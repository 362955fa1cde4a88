//! The views of a picture as pixels, and the gradient from them back to it.

use std::ops::Range;

use rayon::prelude::*;

use super::pool::{Texel, spread};
use super::sampling::Sampling;
use super::texels::{Band, BorderedImage};
use crate::render::view::{Pooling, ViewTransform};
use crate::scene::Picture;

/// The number of bands of a pooled picture, each of which is one task.
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
    ///
    /// A picture more than four times as large as the views is pooled before.
    pub fn new(picture: &Picture, views: &[ViewTransform], side: usize) -> Self {
        let pooling = Pooling::new(side, picture.width(), picture.height());
        let image = BorderedImage::of(picture, pooling);
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
/// `[N, 3, R, R]`: the transpose of the linear map in [`ViewBatch::new`]. Only tests need it: a step
/// goes on from [`pooled_view_gradient`].
pub fn view_gradient(
    gradient: &ViewBatch,
    views: &[ViewTransform],
    width: usize,
    height: usize,
) -> Picture {
    let pooling = Pooling::new(gradient.side, width, height);
    let pooled = pooled_view_gradient(gradient, views, width, height);
    match pooling.halvings() {
        0 => pooled,
        _ => spread(&pooled, pooling, width, height),
    }
}

/// The same with respect to the pooled picture, which is smaller if the canvas is large: that of a pixel of the picture is
/// that of its square, times [`Pooling::weight`].
pub fn pooled_view_gradient(
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
    let pooling = Pooling::new(side, width, height);
    let (width, height) = (pooling.width(), pooling.height());
    let rows = height.div_ceil(BANDS).max(MIN_BAND_ROWS);
    let bands: Vec<Band> = (0..height.div_ceil(rows))
        .into_par_iter()
        .map(|band| band * rows..((band + 1) * rows).min(height))
        .map(|rows| gradient_of_band(&views, rows, width))
        .collect();
    let mut values = vec![0.0; 3 * width * height];
    for (channel, plane) in values.chunks_mut(width * height).enumerate() {
        plane
            .par_chunks_mut(width * rows)
            .zip(&bands)
            .for_each(|(rows, band)| band.write(channel, rows));
    }
    Picture::new(width, height, values)
}

/// The gradient on some rows of the pooled picture.
fn gradient_of_band(views: &[(Sampling, Vec<Texel>)], rows: Range<usize>, width: usize) -> Band {
    let mut sum = Band::new(rows.clone(), width);
    let scatter = |(sampling, gradient): &(Sampling, Vec<Texel>), band: &mut Band| {
        sampling.for_each_sample_near(&rows, |pixel, tap| band.scatter(tap, gradient[pixel]));
    };
    let Some((first, others)) = views.split_first() else {
        return sum;
    };
    scatter(first, &mut sum);
    let mut of_view = Band::new(rows.clone(), width);
    for view in others {
        of_view.clear();
        scatter(view, &mut of_view);
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
