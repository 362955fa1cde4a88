//! The coverage of the pixels of a tile by a stroke, with or without a tape for the backward pass.
//!
//! A stroke is the union of all discs of its half width around its centre line: round caps and joins
//! follow from the distance alone, because near an end, or on the outer side of a bend, the nearest
//! point is an end of a chord, and the points at one distance from it form an arc. A point where
//! the stroke crosses itself has one nearest point like any other, so it is covered once.
//!
//! ```text
//!      .---------------.
//!    /                   \     <- cap: the nearest point is the end o of the chord
//!   (     o=========o     )
//!    \                   /     <- side: the nearest point lies inside the chord
//!      '---------------'
//! ```
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, SimdMask, f32x16};

use super::chord::Chord;
use super::edge::{Pen, WINDOW_RADIUS};
use super::lanes::{Line, Plane, TILE, ZEROS, by_pixel};
use super::nearest::{LocalChord, SampleGrid, min_square_distances};

/// Strokes with smaller half widths, in pixels, get four by four samples per pixel, the others two
/// by two. Within a window the outline is approximated by a straight line. The radius of a cap must
/// be large compared with the window, so thin strokes need smaller windows and therefore more
/// samples.
const THIN_BELOW: f32 = 1.0;

/// The maximum number of lines of samples in a tile: 8 rows of pixels, 4 rows of samples in each,
/// 2 lines for the 4 samples of a pixel in a row.
const MAX_LINES: usize = 64;

/// The largest radius of a window, in pixels: that of two by two samples, half a pixel apart.
pub(super) const MAX_WINDOW_RADIUS: f32 = WINDOW_RADIUS / 2.0;

/// No sample lies closer to the edge of its pixel than this: half a step of four by four samples.
pub(super) const SAMPLE_INSET: f32 = 0.125;

/// The outline of a stroke on a tile.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// The chords that can be nearest to a sample of the tile, relative to the tile's corner.
    pub(super) chords: Vec<LocalChord>,
    pub(super) samples: SampleGrid,
    pen: Pen,
    /// The rows of pixels that the stroke can touch, 0 to 8.
    rows: Range<usize>,
    /// For each line of samples the squared distances from the centre line, in square pixels. Only those in `rows` are
    /// of this outline, and only once they were computed.
    pub(super) squares: Vec<Line>,
}

impl Outline {
    /// An outline that covers nothing.
    pub(super) fn nothing() -> Self {
        Self {
            chords: Vec::new(),
            samples: SampleGrid { per_axis: 2 },
            pen: Pen::new(0.0, 2),
            rows: 0..0,
            squares: Vec::new(),
        }
    }

    /// The rows of pixels that the stroke can touch.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Becomes the outline of a stroke around some chords, on the tile whose top left corner is at
    /// `corner` in canvas pixels; keeps the memory of the previous outline.
    pub(super) fn set<'a>(
        &mut self,
        chords: impl Iterator<Item = &'a Chord>,
        half_width: f32,
        corner: [f32; 2],
    ) {
        let samples_per_axis = if half_width < THIN_BELOW { 4 } else { 2 };
        self.samples = SampleGrid {
            per_axis: samples_per_axis,
        };
        self.pen = Pen::new(half_width, samples_per_axis);
        let radius = self.pen.radius();
        let (mut top, mut bottom) = (f32::INFINITY, f32::NEG_INFINITY);
        self.chords.clear();
        self.chords.extend(chords.map(|chord| {
            let chord = LocalChord::new(chord, corner, radius);
            // Not `min` and `max`, which would check for NaN.
            top = if chord.top < top { chord.top } else { top };
            bottom = if chord.bottom > bottom {
                chord.bottom
            } else {
                bottom
            };
            chord
        }));
        // A cast from a float truncates and saturates, so even infinite limits end up in the tile.
        let last = ((bottom + 1.0).max(0.0) as usize).min(TILE);
        self.rows = (top.max(0.0) as usize).min(last)..last;
    }

    /// The weight of one sample in its pixel's mean.
    pub(super) fn sample_weight(&self) -> f32 {
        1.0 / f32::from(self.samples.per_axis * self.samples.per_axis)
    }

    /// Computes the squared distances of the samples in the rows that the stroke can touch.
    #[inline(always)]
    fn find_squares<S: Simd>(&mut self, simd: S) {
        if self.squares.len() < self.samples.lines() {
            self.squares.resize(MAX_LINES, [0.0; 2 * TILE]);
        }
        min_square_distances(
            simd,
            &self.chords,
            self.samples,
            &self.rows,
            &mut self.squares,
        );
    }

    /// The coverage of the pixels of a tile, in the rows that the stroke can touch.
    #[inline(always)]
    pub(super) fn cover<S: Simd>(&mut self, simd: S, coverage: &mut Plane) {
        self.find_squares(simd);
        for row in self.rows() {
            let mut sum = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for square in &self.squares[set.lines_of(&(row..row + 1))] {
                    sum += self.pen.coverage(f32x16::load_array_ref(simd, square));
                }
            }
            (by_pixel(sum) * self.sample_weight()).store_array(&mut coverage[row]);
        }
    }

    /// The same coverage, with everything that the backward pass needs.
    #[inline(always)]
    pub(super) fn cover_with_tape<S: Simd>(&mut self, simd: S, tape: &mut CoverageTape) {
        self.find_squares(simd);
        if tape.pulls.len() < self.samples.lines() {
            tape.pulls.resize(MAX_LINES, [0.0; 2 * TILE]);
        }
        tape.edge_lines = 0;
        let sample_weight = self.sample_weight();
        for row in self.rows() {
            let mut coverage = f32x16::splat(simd, 0.0);
            let mut d_half_width = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for line in set.lines_of(&(row..row + 1)) {
                    let square = f32x16::load_array_ref(simd, &self.squares[line]);
                    let edge = self.pen.coverage_with_derivatives(square);
                    coverage += edge.coverage;
                    d_half_width += edge.d_half_width;
                    edge.pull.store_array(&mut tape.pulls[line]);
                    let is_edge = edge.d_half_width.simd_gt(0.0).any_true();
                    tape.edge_lines |= u64::from(is_edge) << line;
                }
            }
            (by_pixel(coverage) * sample_weight).store_array(&mut tape.coverage[row]);
            (by_pixel(d_half_width) * sample_weight).store_array(&mut tape.d_half_width[row]);
        }
    }
}

/// The coverage of the pixels of a tile by a stroke, and its derivatives. Rows that the stroke does
/// not touch hold old values.
#[derive(Debug, Clone)]
pub(super) struct CoverageTape {
    /// The covered part of each pixel, 0 to 1.
    pub(super) coverage: Plane,
    /// Its derivative with respect to the half width, per pixel.
    pub(super) d_half_width: Plane,
    /// For each line of samples the derivatives of the coverage of their windows with respect to their nearest points, as
    /// multiples of the offsets from these points.
    pub(super) pulls: Vec<Line>,
    /// A bit for each line of samples: whether the outline crosses a window of it. Elsewhere the coverage is 0 or 1 and all
    /// derivatives are 0, so the backward pass skips the line.
    pub(super) edge_lines: u64,
}

impl CoverageTape {
    /// Nothing covered.
    pub(super) const NOTHING: Self = Self {
        coverage: ZEROS,
        d_half_width: ZEROS,
        pulls: Vec::new(),
        edge_lines: 0,
    };
}
