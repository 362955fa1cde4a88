//! The nearest point of a stroke's centre line, for every pixel of a tile at once.

use std::ops::Range;

use super::chord::Chord;
use super::plan::TILE;

/// One number for every pixel of a tile, row by row.
pub(super) type Plane = [[f32; TILE]; TILE];

/// A plane of zeros.
pub(super) const ZEROS: Plane = [[0.0; TILE]; TILE];

/// Farther than anything that matters, and its square is still a number.
const FAR: f32 = 1e15;

/// Where the samples of a tile lie and how wide the stroke is that they are measured against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Samples {
    /// The position of the first sample, in canvas pixels; the others follow at whole pixels.
    pub(super) first: [f32; 2],
    /// How far from the centre line a sample can matter, in pixels.
    pub(super) reach: f32,
}

/// For every sample, the nearest point among some chords.
#[derive(Debug, Clone)]
pub(super) struct Nearest {
    /// The squared distance.
    pub(super) square: Plane,
    /// From the nearest point to the sample, to the right.
    pub(super) right: Plane,
    /// From the nearest point to the sample, downwards.
    pub(super) down: Plane,
    /// Where on its chord the nearest point lies, 0 at the start, 1 at the end.
    pub(super) along: Plane,
    /// The place of the chord among the candidates.
    pub(super) chord: [[u32; TILE]; TILE],
}

impl Nearest {
    /// Nothing near.
    pub(super) const NOTHING: Self = Self {
        square: [[FAR * FAR; TILE]; TILE],
        right: [[FAR; TILE]; TILE],
        down: ZEROS,
        along: ZEROS,
        chord: [[0; TILE]; TILE],
    };

    /// Forgets what was near to the samples of some rows.
    #[inline(always)]
    pub(super) fn clear(&mut self, rows: Range<usize>) {
        self.square[rows.clone()].fill([FAR * FAR; TILE]);
        self.right[rows.clone()].fill([FAR; TILE]);
        self.down[rows].fill([0.0; TILE]);
    }

    /// Takes over one more chord wherever it is nearer than what is known.
    ///
    /// With `TRACED` the chord and the place on it are noted too, as the gradient needs them.
    #[inline(always)]
    pub(super) fn approach<const TRACED: bool>(
        &mut self,
        chord: &Chord,
        place: u32,
        samples: &Samples,
    ) {
        let left = samples.first[0] - chord.start[0];
        let top = samples.first[1] - chord.start[1];
        let [reach_right, reach_down] = chord.reach;
        for row in rows_near(chord, samples) {
            let y = top + row as f32;
            for column in 0..TILE {
                let x = left + COLUMNS[column];
                let along = (x * reach_right + y * reach_down) * chord.inverse_square;
                let along = if along > 0.0 { along } else { 0.0 };
                let along = if along < 1.0 { along } else { 1.0 };
                let right = x - along * reach_right;
                let down = y - along * reach_down;
                let square = right * right + down * down;
                let is_nearer = square < self.square[row][column];
                let choose = |new: f32, old: f32| if is_nearer { new } else { old };
                self.square[row][column] = choose(square, self.square[row][column]);
                self.right[row][column] = choose(right, self.right[row][column]);
                self.down[row][column] = choose(down, self.down[row][column]);
                if TRACED {
                    self.along[row][column] = choose(along, self.along[row][column]);
                    let old = self.chord[row][column];
                    self.chord[row][column] = if is_nearer { place } else { old };
                }
            }
        }
    }
}

const COLUMNS: [f32; TILE] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// The rows of samples that a stroke along this chord can touch.
#[inline(always)]
pub(super) fn rows_near(chord: &Chord, samples: &Samples) -> Range<usize> {
    let top = chord.start[1] - samples.first[1];
    let bottom = top + chord.reach[1];
    let least = top.min(bottom) - samples.reach;
    let most = top.max(bottom) + samples.reach;
    // A cast from a float stops at the ends of the integer's range.
    let first = least.ceil().max(0.0) as usize;
    let last = ((most.floor() + 1.0).max(0.0) as usize).min(TILE);
    first.min(last)..last
}
