//! The gradient with respect to the picture, tile by tile.

use super::forward::TileColor;
use super::lanes::{TILE, ZEROS};
use crate::render::view::Pooling;
use crate::scene::{Canvas, Picture};

/// The gradient of a loss with respect to the picture, as that with respect to the pooled picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct PictureGradient<'a> {
    pooled: &'a Picture,
    pooling: Pooling,
    /// Of the canvas, in pixels.
    size: [usize; 2],
}

impl<'a> PictureGradient<'a> {
    pub(super) fn new(pooled: &'a Picture, pooling: Pooling, canvas: &Canvas) -> Self {
        Self {
            pooled,
            pooling,
            size: [canvas.width, canvas.height].map(|length| length as usize),
        }
    }

    /// The gradient with respect to the pixels of a tile, 0 beyond the edge of the picture.
    pub(super) fn tile(&self, tile: [usize; 2]) -> TileColor {
        let [left, top] = tile.map(|index| index * TILE);
        let [columns, rows] = [self.size[0] - left, self.size[1] - top].map(|rest| rest.min(TILE));
        let (halvings, weight) = (self.pooling.halvings(), self.pooling.weight());
        let (width, height) = (self.pooled.width(), self.pooled.height());
        let mut cut = [ZEROS; 3];
        for (channel, plane) in cut.iter_mut().enumerate() {
            for (row, line) in plane.iter_mut().enumerate().take(rows) {
                let first = (channel * height + ((top + row) >> halvings)) * width;
                let pooled = &self.pooled.values()[first + (left >> halvings)..first + width];
                if halvings == 0 {
                    // Nearly always there is a whole row, which is one vector.
                    match pooled.first_chunk() {
                        Some(pooled) => *line = *pooled,
                        None => line[..columns].copy_from_slice(pooled),
                    }
                    continue;
                }
                let line = &mut line[..columns];
                // A tile begins with a square, or lies within one.
                for (square, gradient) in line.chunks_mut(self.pooling.factor()).zip(pooled) {
                    square.fill(gradient * weight);
                }
            }
        }
        cut
    }
}
