//! The pooled picture as texels with a border, to read from, and a band of its rows, to add gradients to.

use std::ops::Range;

use rayon::prelude::*;

use super::pool::{FILL, PooledRows, Texel};
use super::sampling::{BEFORE, BORDERS, BilinearTap};
use crate::render::view::Pooling;
use crate::scene::Picture;

/// An image with a border, so that the area around the canvas needs no special case. A sample beyond the canvas is
/// clamped into the border, where all four texels are white.
///
/// ```text
///   w w w w w w
///   w p p p w w      p canvas, w white: one column before it, two behind it; the last one is only
///   w p p p w w      read with weight 0, by samples clamped to the far side
///   w w w w w w
///   w w w w w w
/// ```
pub(super) struct BorderedImage {
    texels: Vec<Texel>,
    stride: usize,
}

impl BorderedImage {
    /// The pooled picture of a picture.
    pub(super) fn of(picture: &Picture, pooling: Pooling) -> Self {
        let (width, height) = (pooling.width(), pooling.height());
        let stride = width + BORDERS;
        let mut texels = vec![[FILL; 4]; stride * (height + BORDERS)];
        let rows = texels.par_chunks_mut(stride).skip(BEFORE).take(height);
        let rows = rows.map(|row| &mut row[BEFORE..][..width]).enumerate();
        if pooling.halvings() == 0 {
            rows.for_each(|(y, row)| write_row(picture, y, row));
        } else {
            rows.for_each_init(
                || PooledRows::new(picture, pooling),
                |pooled, (y, row)| pooled.write(y, row),
            );
        }
        Self { texels, stride }
    }

    /// The weighted sum of four texels.
    #[inline]
    pub(super) fn blend(&self, tap: BilinearTap) -> Texel {
        let first = tap.row * self.stride + tap.column;
        let above = &self.texels[first..first + 2];
        let below = &self.texels[first + self.stride..first + self.stride + 2];
        let mut color = [0.0; 4];
        for (channel, value) in color.iter_mut().enumerate() {
            *value = tap.weights[0] * above[0][channel]
                + tap.weights[1] * above[1][channel]
                + tap.weights[2] * below[0][channel]
                + tap.weights[3] * below[1][channel];
        }
        color
    }
}

/// Writes a row of a picture.
fn write_row(picture: &Picture, y: usize, row: &mut [Texel]) {
    let (width, height) = (picture.width(), picture.height());
    let [red, green, blue] = [0, 1, 2].map(|channel| {
        let first = (channel * height + y) * width;
        &picture.values()[first..first + width]
    });
    for (x, texel) in row.iter_mut().enumerate() {
        *texel = [red[x], green[x], blue[x], 0.0];
    }
}

/// Some rows of the pooled picture, to which samples scatter a gradient. What is scattered to the border is dropped: white
/// does not depend on the strokes.
pub(super) struct Band {
    /// The rows, counted without the border.
    rows: Range<usize>,
    width: usize,
    /// The rows with the border's columns.
    texels: Vec<Texel>,
}

impl Band {
    pub(super) fn new(rows: Range<usize>, width: usize) -> Self {
        let texels = vec![[0.0; 4]; rows.len() * (width + BORDERS)];
        Self {
            rows,
            width,
            texels,
        }
    }

    /// Makes all numbers zero.
    pub(super) fn clear(&mut self) {
        self.texels.fill([0.0; 4]);
    }

    /// Adds a gradient to those of four texels that lie in the band, by their weights.
    #[inline]
    pub(super) fn scatter(&mut self, tap: BilinearTap, gradient: Texel) {
        let stride = self.width + BORDERS;
        for (below, weights) in tap.weights.chunks_exact(2).enumerate() {
            // Before the first row, this wraps to a number that is larger than any row.
            let row = (tap.row + below).wrapping_sub(BEFORE + self.rows.start);
            if row >= self.rows.len() {
                continue;
            }
            let first = row * stride + tap.column;
            for (texel, weight) in self.texels[first..first + 2].iter_mut().zip(weights) {
                for (value, gradient) in texel.iter_mut().zip(gradient) {
                    *value += weight * gradient;
                }
            }
        }
    }

    /// Adds the numbers to those of another band of the same rows.
    pub(super) fn add_to(&self, sum: &mut Self) {
        for (sum, texel) in sum.texels.iter_mut().zip(&self.texels) {
            for (sum, value) in sum.iter_mut().zip(texel) {
                *sum += value;
            }
        }
    }

    /// Writes one channel of the band into its rows of a plane.
    pub(super) fn write(&self, channel: usize, plane_rows: &mut [f32]) {
        let rows = plane_rows.chunks_mut(self.width);
        for (row, texels) in rows.zip(self.texels.chunks(self.width + BORDERS)) {
            for (value, texel) in row.iter_mut().zip(&texels[BEFORE..]) {
                *value = texel[channel];
            }
        }
    }
}
