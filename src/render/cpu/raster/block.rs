//! The squares of tiles that a stroke is binned into.

use super::coverage::SAMPLE_INSET;
use super::lanes::TILE;

/// A square of tiles, its side a power of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) side: usize,
}

impl Block {
    pub(super) fn whole(tiles: [usize; 2]) -> Self {
        Self {
            column: 0,
            row: 0,
            side: tiles[0].max(tiles[1]),
        }
    }

    pub(super) fn quarters(self) -> [Self; 4] {
        let side = self.side / 2;
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(right, down)| Self {
            column: self.column + right * side,
            row: self.row + down * side,
            side,
        })
    }

    pub(super) fn intersects(&self, extent: &StrokeExtent) -> bool {
        let first = [self.column, self.row];
        (0..2).all(|axis| {
            first[axis] < extent.max[axis] && extent.min[axis] < first[axis] + self.side
        })
    }

    /// The centre of its samples, in pixels, and half the side of the square that they lie in.
    pub(super) fn samples(&self) -> ([f32; 2], f32) {
        let half = 0.5 * (self.side * TILE) as f32;
        let center = [self.column, self.row].map(|tile| (tile * TILE) as f32 + half);
        (center, half - SAMPLE_INSET)
    }
}

/// What stays the same while one stroke is binned.
#[derive(Debug)]
pub(super) struct StrokeExtent {
    /// The first column and row of tiles within the stroke's bounds, and the ones after the last.
    pub(super) min: [usize; 2],
    pub(super) max: [usize; 2],
    pub(super) half_width: f32,
    pub(super) stroke: u32,
}
