//! A picture pooled, row by row, and the gradient back to it.

use fearless_simd::{Level, dispatch};
use rayon::prelude::*;

use crate::render::view::Pooling;
use crate::scene::Picture;

/// The color around the canvas: white, as in the original notebook (torchvision's `fill=1`).
pub(super) const FILL: f32 = 1.0;

/// A pixel with its three channels side by side, so that one vector operation blends them all; the
/// fourth number is not used.
pub(super) type Texel = [f32; 4];

/// Computes one row of the pooled picture after the other. Each square is added up column by column, and then the columns
/// are: the same order at any number of threads, and in the kernels.
pub(super) struct PooledRows<'a> {
    picture: &'a Picture,
    pooling: Pooling,
    level: Level,
    /// A number for each column of the squares of a row, those beyond the canvas included.
    columns: Vec<f32>,
}

impl<'a> PooledRows<'a> {
    pub(super) fn new(picture: &'a Picture, pooling: Pooling) -> Self {
        Self {
            picture,
            pooling,
            level: Level::new(),
            columns: vec![0.0; pooling.width() * pooling.factor()],
        }
    }

    /// Writes one row.
    pub(super) fn write(&mut self, row: usize, texels: &mut [Texel]) {
        for channel in 0..3 {
            dispatch!(self.level, _simd => {
                self.add_up_columns(channel, row);
                self.write_means(channel, texels);
            });
        }
    }

    /// Adds up the columns of all squares in a row. The loops are over slices, so the compiler makes vector operations of
    /// them.
    #[expect(
        clippy::inline_always,
        reason = "vector code must end up where its instructions are enabled"
    )]
    #[inline(always)]
    fn add_up_columns(&mut self, channel: usize, row: usize) {
        let (width, height) = (self.picture.width(), self.picture.height());
        let factor = self.pooling.factor();
        let rows = row * factor..((row + 1) * factor).min(height);
        let beyond = factor - rows.len();
        let plane = &self.picture.values()[channel * width * height..][..width * height];
        let mut lines = plane[rows.start * width..rows.end * width].chunks_exact(width);
        let (canvas, right_of_it) = self.columns.split_at_mut(width);
        canvas.copy_from_slice(lines.next().expect("a square begins on the canvas"));
        for line in lines {
            for (sum, value) in canvas.iter_mut().zip(line) {
                *sum += value;
            }
        }
        for _ in 0..beyond {
            for sum in canvas.iter_mut() {
                *sum += FILL;
            }
        }
        right_of_it.fill(factor as f32 * FILL);
    }

    #[expect(
        clippy::inline_always,
        reason = "vector code must end up where its instructions are enabled"
    )]
    #[inline(always)]
    fn write_means(&self, channel: usize, texels: &mut [Texel]) {
        let weight = self.pooling.weight();
        match self.pooling.factor() {
            2 => write_means_of::<2>(&self.columns, weight, channel, texels),
            4 => write_means_of::<4>(&self.columns, weight, channel, texels),
            factor => {
                for (texel, columns) in texels.iter_mut().zip(self.columns.chunks_exact(factor)) {
                    texel[channel] = columns.iter().sum::<f32>() * weight;
                }
            }
        }
    }
}

/// The usual sides of squares, known to the compiler.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn write_means_of<const FACTOR: usize>(
    columns: &[f32],
    weight: f32,
    channel: usize,
    texels: &mut [Texel],
) {
    let (squares, _) = columns.as_chunks::<FACTOR>();
    for (texel, columns) in texels.iter_mut().zip(squares) {
        texel[channel] = columns.iter().sum::<f32>() * weight;
    }
}

/// The gradient with respect to a picture of `width` by `height` pixels, from that with respect to its pooled picture. Only
/// tests need it: in a step, the rasterizer reads the gradient of each pixel from the pooled one.
pub(super) fn spread(pooled: &Picture, pooling: Pooling, width: usize, height: usize) -> Picture {
    let (factor, weight) = (pooling.factor(), pooling.weight());
    let mut values = vec![0.0; 3 * width * height];
    let planes = values.chunks_mut(width * height);
    for (plane, pooled) in planes.zip(pooled.values().chunks(pooling.width() * pooling.height())) {
        let squares = plane.par_chunks_mut(factor * width);
        let rows = squares.zip(pooled.par_chunks(pooling.width()));
        rows.for_each(|(rows, pooled)| {
            for row in rows.chunks_exact_mut(width) {
                for (square, gradient) in row.chunks_mut(factor).zip(pooled) {
                    square.fill(gradient * weight);
                }
            }
        });
    }
    Picture::new(width, height, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteenths, so that all sums are exact.
    fn value(channel: usize, x: usize, y: usize) -> f32 {
        ((channel + 7 * x + 3 * y) % 16) as f32 / 16.0
    }

    /// The mean of a square of a canvas with these values, and white around it.
    fn mean(channel: usize, [left, top]: [usize; 2], factor: usize, size: [usize; 2]) -> f32 {
        let values = (0..factor * factor).map(|place| {
            let (x, y) = (left + place % factor, top + place / factor);
            if x < size[0] && y < size[1] {
                value(channel, x, y)
            } else {
                FILL
            }
        });
        values.sum::<f32>() / (factor * factor) as f32
    }

    #[test]
    fn a_pooled_pixel_is_the_mean_of_its_square_with_the_white_around_the_canvas() {
        for (side, size) in [(1, [5, 3]), (2, [9, 16]), (1, [40, 1]), (1, [33, 7])] {
            let [width, height] = size;
            let values = (0..3 * width * height).map(|index| {
                let (row, column) = (index / width, index % width);
                value(row / height, column, row % height)
            });
            let picture = Picture::new(width, height, values.collect());
            let pooling = Pooling::new(side, width, height);
            let factor = pooling.factor();
            let mut rows = PooledRows::new(&picture, pooling);
            let mut texels = vec![[0.0; 4]; pooling.width()];
            for row in 0..pooling.height() {
                rows.write(row, &mut texels);
                for (column, texel) in texels.iter().enumerate() {
                    let corner = [column * factor, row * factor];
                    let expected = [0, 1, 2].map(|channel| mean(channel, corner, factor, size));
                    assert_eq!(texel[..3], expected, "{width}x{height}");
                }
            }
        }
    }
}
