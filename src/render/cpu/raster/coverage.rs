//! How much of the pixels of a tile a stroke covers, and how that changes with the stroke.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, SimdMask, f32x16};

use super::chord::Chord;
use super::edge::{Pen, WINDOW};
use super::lanes::{Plane, TILE, ZEROS, by_pixel};
use super::nearest::{LocalChord, Nearest, Samples, least_squares, nearest_points};

/// Strokes with smaller half widths, in pixels, are sampled at four by four places in every pixel,
/// the others at two by two: a smaller window sees less of how an end is rounded.
const THIN_BELOW: f32 = 1.0;

/// Lines of samples in a tile at most.
const MOST_LINES: usize = 64;

/// How far a sample can see at most.
pub(super) const FARTHEST_SIGHT: f32 = WINDOW / 2.0;

/// No sample lies closer to the edge of its pixel than this.
pub(super) const SAMPLE_INSET: f32 = 0.125;

/// A stroke's outline against a tile.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// The chords that can be nearest to a sample of the tile, seen from the tile's corner.
    pub(super) chords: Vec<LocalChord>,
    pub(super) samples: Samples,
    pen: Pen,
    /// The rows of pixels that the stroke can touch.
    rows: Range<usize>,
}

impl Outline {
    /// An outline that covers nothing.
    pub(super) fn nothing() -> Self {
        Self {
            chords: Vec::new(),
            samples: Samples { fineness: 2 },
            pen: Pen::new(0.0, 2),
            rows: 0..0,
        }
    }

    /// The rows of pixels that the stroke can touch.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Takes the place of another outline, and its memory: a stroke around some chords, on the
    /// tile with its first corner at `corner`.
    pub(super) fn set<'a>(
        &mut self,
        chords: impl Iterator<Item = &'a Chord>,
        half_width: f32,
        corner: [f32; 2],
    ) {
        let fineness = if half_width < THIN_BELOW { 4 } else { 2 };
        self.samples = Samples { fineness };
        self.pen = Pen::new(half_width, fineness);
        let reach = self.pen.reach();
        self.chords.clear();
        self.chords
            .extend(chords.map(|chord| LocalChord::new(chord, corner, reach)));
        let (mut top, mut bottom) = (f32::INFINITY, f32::NEG_INFINITY);
        for chord in &self.chords {
            (top, bottom) = (top.min(chord.top), bottom.max(chord.bottom));
        }
        // A cast from a float cuts off what follows the point and stops at the integer's range.
        let last = ((bottom + 1.0).max(0.0) as usize).min(TILE);
        self.rows = (top.max(0.0) as usize).min(last)..last;
    }

    /// The part of a pixel that one of its samples stands for.
    fn share(&self) -> f32 {
        1.0 / f32::from(self.samples.fineness * self.samples.fineness)
    }

    /// The coverage of the pixels of a tile, in the rows that the stroke can touch.
    #[inline(always)]
    pub(super) fn cover<S: Simd>(&self, simd: S, coverage: &mut Plane) {
        let mut squares = [[0.0; 2 * TILE]; MOST_LINES];
        least_squares(simd, &self.chords, self.samples, &self.rows, &mut squares);
        for row in self.rows() {
            let mut sum = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for square in &squares[set.lines_of(&(row..row + 1))] {
                    sum += self.pen.coverage(f32x16::load_array_ref(simd, square));
                }
            }
            (by_pixel(sum) * self.share()).store_array(&mut coverage[row]);
        }
    }

    /// The coverage of the pixels of a tile in the rows that the stroke can touch, and how it
    /// changes.
    #[inline(always)]
    pub(super) fn trace<S: Simd>(&self, simd: S, traced: &mut Traced) {
        traced.lines.resize(self.samples.lines(), Nearest::NOTHING);
        traced.is_edge = [false; MOST_LINES];
        nearest_points(
            simd,
            &self.chords,
            self.samples,
            &self.rows,
            &mut traced.lines,
        );
        let share = self.share();
        for row in self.rows() {
            let mut coverage = f32x16::splat(simd, 0.0);
            let mut widening = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for index in set.lines_of(&(row..row + 1)) {
                    let line = &mut traced.lines[index];
                    let view = self.pen.view(simd, line);
                    coverage += view.coverage;
                    widening += view.widening;
                    (view.right * share).store_array(&mut line.right);
                    (view.down * share).store_array(&mut line.down);
                    traced.is_edge[index] = view.widening.simd_gt(0.0).any_true();
                }
            }
            (by_pixel(coverage) * share).store_array(&mut traced.coverage[row]);
            (by_pixel(widening) * share).store_array(&mut traced.widening[row]);
        }
    }
}

/// The coverage of the pixels of a tile by a stroke, and how it changes. Rows that the stroke does
/// not touch have no meaning.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    /// The covered part of each pixel, 0 to 1.
    pub(super) coverage: Plane,
    /// The change of that by the half width.
    pub(super) widening: Plane,
    /// For each line of samples the nearest points, and in the place of the ways to them the
    /// change of the pixel's coverage when they move right and down.
    pub(super) lines: Vec<Nearest>,
    /// Whether a line sees anything of the outline.
    pub(super) is_edge: [bool; MOST_LINES],
}

impl Traced {
    /// Nothing covered.
    pub(super) const NOTHING: Self = Self {
        coverage: ZEROS,
        widening: ZEROS,
        lines: Vec::new(),
        is_edge: [false; MOST_LINES],
    };
}
