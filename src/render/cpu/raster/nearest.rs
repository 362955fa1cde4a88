//! The nearest point of a stroke's centre line, for a whole line of samples at once.
//!
//! The inner loop runs over chords and lines of 16 samples: it projects the samples on the chord
//! and keeps the smallest distance. There is no branch in it, and neighbouring samples share a
//! row, so that their `y` is a scalar.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, f32x16};

use super::chord::Chord;
use super::lanes::{Line, TILE};

/// How the pixels of a tile are sampled: on a grid of `per_axis` by `per_axis` samples in each, 2 or
/// 4.
///
/// A line holds two samples of each of the eight pixels of a row. With 2 samples per axis that is
/// all of them; with 4 there are two sets of lines, one for the left half of every pixel and one
/// for the right half:
///
/// ```text
///   one pixel, 2 per axis         one pixel, 4 per axis
///
///   +-----------+                 +-----------+
///   |  0     0  |                 | 0 0 32 32 |      numbers of the lines in a tile:
///   |           |                 | 1 1 33 33 |      downwards, one set after the other
///   |  1     1  |                 | 2 2 34 34 |
///   +-----------+                 | 3 3 35 35 |
///                                 +-----------+
/// ```
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleGrid {
    pub(super) per_axis: u8,
}

impl SampleGrid {
    /// The number of lines in a tile.
    pub(super) fn lines(self) -> usize {
        self.height() * usize::from(self.per_axis / 2)
    }

    /// The lines as sets, each of lines that begin at the same column.
    #[inline(always)]
    pub(super) fn sets(self) -> impl Iterator<Item = SampleSet> {
        (0..usize::from(self.per_axis / 2)).map(move |set| SampleSet { samples: self, set })
    }

    fn height(self) -> usize {
        usize::from(self.per_axis) * TILE
    }
}

/// The lines of samples that begin at the same column.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleSet {
    samples: SampleGrid,
    set: usize,
}

impl SampleSet {
    /// The first line.
    fn first(self) -> usize {
        self.set * self.samples.height()
    }

    /// The row of pixels that a line of the set belongs to.
    pub(super) fn row(self, line: usize) -> usize {
        (line - self.first()) >> self.samples.per_axis.trailing_zeros()
    }

    /// The lines within some rows of pixels.
    pub(super) fn lines_of(self, rows: &Range<usize>) -> Range<usize> {
        let (first, per_axis) = (self.first(), usize::from(self.samples.per_axis));
        first + rows.start * per_axis..first + rows.end * per_axis
    }

    /// The lines whose windows the stroke can meet around a chord.
    #[inline(always)]
    pub(super) fn lines_near(self, chord: &LocalChord) -> Range<usize> {
        let (height, per_axis) = (self.samples.height(), f32::from(self.samples.per_axis));
        // Line `i` lies at `y = (i + 0.5) / per_axis`. The first line at or below `y` is thus
        // `y per_axis - 0.5` rounded up, and a cast truncates (and saturates).
        let line_at = |y: f32| ((y * per_axis + 0.5).max(0.0) as usize).min(height);
        let (min, max) = (line_at(chord.top), line_at(chord.bottom));
        self.first() + min..self.first() + max.max(min)
    }

    /// The columns of the samples of each line, in pixels from the left of the tile.
    fn columns(self) -> &'static Line {
        const OF_TWO: Line = columns(2, 0);
        const LEFT_OF_FOUR: Line = columns(4, 0);
        const RIGHT_OF_FOUR: Line = columns(4, 1);
        match (self.samples.per_axis, self.set) {
            (2, _) => &OF_TWO,
            (_, 0) => &LEFT_OF_FOUR,
            _ => &RIGHT_OF_FOUR,
        }
    }
}

/// The columns of the samples of the lines of a set.
const fn columns(per_axis: usize, set: usize) -> Line {
    let mut columns = [0.0; 2 * TILE];
    let mut sample = 0;
    while sample < columns.len() {
        let step = 2 * set + sample / TILE;
        columns[sample] = (sample % TILE) as f32 + (step as f32 + 0.5) / per_axis as f32;
        sample += 1;
    }
    columns
}

/// A chord relative to the top left corner of a tile, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalChord {
    start: [f32; 2],
    vector: [f32; 2],
    inverse_square: f32,
    /// Samples above this `y` are too far away from the chord.
    pub(super) top: f32,
    /// Samples below this `y` are too far away from the chord.
    pub(super) bottom: f32,
}

impl LocalChord {
    /// A chord that matters to samples up to a distance of `radius` pixels, relative to `corner`.
    pub(super) fn new(chord: &Chord, corner: [f32; 2], radius: f32) -> Self {
        let start = [chord.start[0] - corner[0], chord.start[1] - corner[1]];
        let end = start[1] + chord.vector[1];
        let (upper, lower) = if end < start[1] {
            (end, start[1])
        } else {
            (start[1], end)
        };
        Self {
            start,
            vector: chord.vector,
            inverse_square: chord.inverse_square,
            top: upper - radius,
            bottom: lower + radius,
        }
    }
}

/// A chord and the samples of a set, to be projected on it line by line.
///
/// ```text
///           x sample                         t = (x - S) . V / |V|^2, clamped to 0..1
///           :
///           : offset (dx, dy)                x - S = t V + offset
///     S o---N------------o S + V
///       |t V|
/// ```
///
/// The code calls `t` along. Clamped to 0 or 1 it gives the ends, which round off caps and joins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Projector<S: Simd> {
    start_y: f32,
    vector: [f32; 2],
    /// The first line of the set.
    first: usize,
    /// From line to line, in pixels.
    step: f32,
    /// From the start of the chord to the samples, x: the same for all lines of a set.
    x: f32x16<S>,
    /// The dot product is split by axis. This is the part of x.
    along_x: f32x16<S>,
    /// The part of y for each pixel downwards.
    along_y: f32,
}

impl<S: Simd> Projector<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, chord: &LocalChord, set: SampleSet) -> Self {
        let x = f32x16::load_array_ref(simd, set.columns()) - chord.start[0];
        Self {
            start_y: chord.start[1],
            vector: chord.vector,
            first: set.first(),
            step: 1.0 / f32::from(set.samples.per_axis),
            x,
            along_x: x * (chord.vector[0] * chord.inverse_square),
            along_y: chord.vector[1] * chord.inverse_square,
        }
    }

    /// The points of the chord nearest to the samples of a line of the set.
    #[inline(always)]
    pub(super) fn project(&self, line: usize) -> ChordProjection<S> {
        let simd = self.x.simd;
        let y = (f32::from((line - self.first) as u8) + 0.5) * self.step - self.start_y;
        let along = (self.along_x + self.along_y * y).max(0.0).min(1.0);
        let dx = self.x - along * self.vector[0];
        let dy = f32x16::splat(simd, y) - along * self.vector[1];
        ChordProjection {
            square: dx * dx + dy * dy,
            dx,
            dy,
            along,
        }
    }
}

/// The points of a chord nearest to the samples of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChordProjection<S: Simd> {
    /// The squared distances, in square pixels.
    pub(super) square: f32x16<S>,
    /// The offset from the nearest points to the samples, x.
    pub(super) dx: f32x16<S>,
    /// The offset from the nearest points to the samples, y.
    pub(super) dy: f32x16<S>,
    /// Where on the chord the nearest points lie: 0 at the start, 1 at the end.
    pub(super) along: f32x16<S>,
}

/// Farther than any distance that matters, in pixels, while its square is still finite.
const FAR: f32 = 1e15;

/// The squared distances from the samples in some rows of pixels to the nearest of some chords.
#[inline(always)]
pub(super) fn min_square_distances<S: Simd>(
    simd: S,
    chords: &[LocalChord],
    samples: SampleGrid,
    rows: &Range<usize>,
    squares: &mut [Line],
) {
    for set in samples.sets() {
        squares[set.lines_of(rows)].fill([FAR * FAR; 2 * TILE]);
        for chord in chords {
            let projector = Projector::new(simd, chord, set);
            let near = set.lines_near(chord);
            for (line, min) in near.clone().zip(&mut squares[near]) {
                let new = projector.project(line).square;
                new.min(f32x16::load_array_ref(simd, min)).store_array(min);
            }
        }
    }
}
