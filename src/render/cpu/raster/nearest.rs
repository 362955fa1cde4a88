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

use fearless_simd::{Bytes, Select, Simd, SimdBase, f32x16, mask32x16, u32x16};

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

    /// The row of pixels that a line belongs to.
    pub(super) fn row(self, line: usize) -> usize {
        line % self.height() / usize::from(self.per_axis)
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
    fn columns(self) -> Line {
        std::array::from_fn(|sample| {
            let step = 2 * self.set + sample / TILE;
            (sample % TILE) as f32 + (step as f32 + 0.5) / f32::from(self.samples.per_axis)
        })
    }
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
        Self {
            start,
            vector: chord.vector,
            inverse_square: chord.inverse_square,
            top: start[1].min(end) - radius,
            bottom: start[1].max(end) + radius,
        }
    }

    /// Calls `visit` for the lines of a set that the chord can matter to, with the points of the
    /// chord nearest to their samples.
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
    #[inline(always)]
    fn project<S: Simd, L>(
        &self,
        simd: S,
        set: SampleSet,
        lines: &mut [L],
        mut visit: impl FnMut(&mut L, ChordProjection<S>),
    ) {
        let [vector_x, vector_y] = self.vector;
        // The dot product is split by axis: the part of x is the same for all lines of a set.
        let x = f32x16::load_array(simd, set.columns()) - self.start[0];
        let along_x = x * (vector_x * self.inverse_square);
        let along_y = vector_y * self.inverse_square;
        let step = 1.0 / f32::from(set.samples.per_axis);
        let near = set.lines_near(self);
        let first = near.start - set.first();
        for (index, line) in lines[near].iter_mut().enumerate() {
            let y = ((first + index) as f32 + 0.5) * step - self.start[1];
            let along = (along_x + along_y * y).max(0.0).min(1.0);
            let dx = x - along * vector_x;
            let dy = f32x16::splat(simd, y) - along * vector_y;
            let square = dx * dx + dy * dy;
            visit(
                line,
                ChordProjection {
                    square,
                    dx,
                    dy,
                    along,
                },
            );
        }
    }
}

/// The points of a chord nearest to the samples of a line.
#[derive(Debug, Clone, Copy)]
struct ChordProjection<S: Simd> {
    square: f32x16<S>,
    dx: f32x16<S>,
    dy: f32x16<S>,
    along: f32x16<S>,
}

/// Farther than any distance that matters, in pixels, while its square is still finite.
const FAR: f32 = 1e15;

/// The squared distances from the samples in some rows of pixels to the nearest of some chords:
/// all that the forward pass needs.
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
            chord.project(
                simd,
                set,
                squares,
                #[inline(always)]
                |min, new| {
                    new.square
                        .min(f32x16::load_array_ref(simd, min))
                        .store_array(min);
                },
            );
        }
    }
}

/// The points of a stroke's centre line nearest to the samples of a line.
#[derive(Debug, Clone)]
pub(super) struct Nearest {
    /// The squared distances, in square pixels.
    pub(super) square: Line,
    /// The offset from the nearest points to the samples, x.
    pub(super) dx: Line,
    /// The offset from the nearest points to the samples, y.
    pub(super) dy: Line,
    /// Where on their chords the nearest points lie: 0 at the start, 1 at the end.
    pub(super) along: Line,
    /// The positions of their chords among the candidates, as floats to be selected like the rest.
    pub(super) chord_index: Line,
}

impl Nearest {
    /// No chord near.
    pub(super) const NOTHING: Self = Self {
        square: [FAR * FAR; 2 * TILE],
        dx: [FAR; 2 * TILE],
        dy: [0.0; 2 * TILE],
        along: [0.0; 2 * TILE],
        chord_index: [0.0; 2 * TILE],
    };
}

/// `new` where the mask is set, `old` elsewhere.
///
/// The same as a selection, whose result would be stored where `old` was loaded. The compiler turns such a pair into a
/// masked store, and that of AVX2 takes AMD's processors longer than all of the rest of the loop.
#[inline(always)]
fn merge<S: Simd>(simd: S, mask: mask32x16<S>, new: f32x16<S>, old: f32x16<S>) -> f32x16<S> {
    let [new, old] = [new, old].map(Bytes::bitcast::<u32x16<S>>);
    let (ones, zero) = (u32x16::splat(simd, u32::MAX), u32x16::splat(simd, 0));
    (old ^ ((old ^ new) & mask.select(ones, zero))).bitcast()
}

/// The points of some chords nearest to the samples in some rows of pixels, for the backward pass.
#[inline(always)]
pub(super) fn nearest_points<S: Simd>(
    simd: S,
    chords: &[LocalChord],
    samples: SampleGrid,
    rows: &Range<usize>,
    lines: &mut [Nearest],
) {
    for set in samples.sets() {
        lines[set.lines_of(rows)].fill(Nearest::NOTHING);
        for (chord_index, chord) in chords.iter().enumerate() {
            let chord_index = f32x16::splat(simd, chord_index as f32);
            chord.project(
                simd,
                set,
                lines,
                #[inline(always)]
                |line, new| {
                    let square = f32x16::load_array_ref(simd, &line.square);
                    // Strictly nearer: where two chords meet in one point, the first one keeps it, so
                    // that the joint's gradient is counted once.
                    let is_nearer = new.square.simd_lt(square);
                    new.square.min(square).store_array(&mut line.square);
                    let choose = |new: f32x16<S>, old: &mut Line| {
                        merge(simd, is_nearer, new, f32x16::load_array_ref(simd, old))
                            .store_array(old);
                    };
                    choose(new.dx, &mut line.dx);
                    choose(new.dy, &mut line.dy);
                    choose(new.along, &mut line.along);
                    choose(chord_index, &mut line.chord_index);
                },
            );
        }
    }
}
