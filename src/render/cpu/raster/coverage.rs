//! How much of the pixels of a tile a stroke covers, and how that changes with the stroke.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, SimdMask, f32x16};

use super::chord::Chord;
use super::edge::{Pen, WINDOW_RADIUS};
use super::lanes::{Plane, TILE, ZEROS, by_pixel};
use super::nearest::{LocalChord, Nearest, SampleGrid, min_square_distances, nearest_points};

/// Strokes with smaller half widths, in pixels, are sampled at four by four places in every pixel,
/// the others at two by two: a smaller window sees less of how an end is rounded.
const THIN_BELOW: f32 = 1.0;

/// Lines of samples in a tile at most.
const MAX_LINES: usize = 64;

/// How far a sample can see at most.
pub(super) const MAX_WINDOW_RADIUS: f32 = WINDOW_RADIUS / 2.0;

/// No sample lies closer to the edge of its pixel than this.
pub(super) const SAMPLE_INSET: f32 = 0.125;

/// A stroke's outline against a tile.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// The chords that can be nearest to a sample of the tile, seen from the tile's corner.
    pub(super) chords: Vec<LocalChord>,
    pub(super) samples: SampleGrid,
    pen: Pen,
    /// The rows of pixels that the stroke can touch.
    rows: Range<usize>,
}

impl Outline {
    /// An outline that covers nothing.
    pub(super) fn nothing() -> Self {
        Self {
            chords: Vec::new(),
            samples: SampleGrid { per_axis: 2 },
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
        let samples_per_axis = if half_width < THIN_BELOW { 4 } else { 2 };
        self.samples = SampleGrid {
            per_axis: samples_per_axis,
        };
        self.pen = Pen::new(half_width, samples_per_axis);
        let radius = self.pen.radius();
        self.chords.clear();
        self.chords
            .extend(chords.map(|chord| LocalChord::new(chord, corner, radius)));
        let (mut top, mut bottom) = (f32::INFINITY, f32::NEG_INFINITY);
        for chord in &self.chords {
            (top, bottom) = (top.min(chord.top), bottom.max(chord.bottom));
        }
        // A cast from a float cuts off what follows the point and stops at the integer's range.
        let last = ((bottom + 1.0).max(0.0) as usize).min(TILE);
        self.rows = (top.max(0.0) as usize).min(last)..last;
    }

    /// The part of a pixel that one of its samples stands for.
    fn sample_weight(&self) -> f32 {
        1.0 / f32::from(self.samples.per_axis * self.samples.per_axis)
    }

    /// The coverage of the pixels of a tile, in the rows that the stroke can touch.
    #[inline(always)]
    pub(super) fn cover<S: Simd>(&self, simd: S, coverage: &mut Plane) {
        let mut squares = [[0.0; 2 * TILE]; MAX_LINES];
        min_square_distances(simd, &self.chords, self.samples, &self.rows, &mut squares);
        for row in self.rows() {
            let mut sum = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for square in &squares[set.lines_of(&(row..row + 1))] {
                    sum += self.pen.coverage(f32x16::load_array_ref(simd, square));
                }
            }
            (by_pixel(sum) * self.sample_weight()).store_array(&mut coverage[row]);
        }
    }

    /// The coverage of the pixels of a tile in the rows that the stroke can touch, and how it
    /// changes.
    #[inline(always)]
    pub(super) fn cover_with_tape<S: Simd>(&self, simd: S, tape: &mut CoverageTape) {
        tape.lines.resize(self.samples.lines(), Nearest::NOTHING);
        tape.is_edge = [false; MAX_LINES];
        nearest_points(
            simd,
            &self.chords,
            self.samples,
            &self.rows,
            &mut tape.lines,
        );
        let sample_weight = self.sample_weight();
        for row in self.rows() {
            let mut coverage = f32x16::splat(simd, 0.0);
            let mut d_half_width = f32x16::splat(simd, 0.0);
            for set in self.samples.sets() {
                for index in set.lines_of(&(row..row + 1)) {
                    let line = &mut tape.lines[index];
                    let edge = self.pen.coverage_with_derivatives(simd, line);
                    coverage += edge.coverage;
                    d_half_width += edge.d_half_width;
                    (edge.dx * sample_weight).store_array(&mut line.dx);
                    (edge.dy * sample_weight).store_array(&mut line.dy);
                    tape.is_edge[index] = edge.d_half_width.simd_gt(0.0).any_true();
                }
            }
            (by_pixel(coverage) * sample_weight).store_array(&mut tape.coverage[row]);
            (by_pixel(d_half_width) * sample_weight).store_array(&mut tape.d_half_width[row]);
        }
    }
}

/// The coverage of the pixels of a tile by a stroke, and how it changes. Rows that the stroke does
/// not touch have no meaning.
#[derive(Debug, Clone)]
pub(super) struct CoverageTape {
    /// The covered part of each pixel, 0 to 1.
    pub(super) coverage: Plane,
    /// The change of that by the half width.
    pub(super) d_half_width: Plane,
    /// For each line of samples the nearest points, with `dx` and `dy` replaced by
    /// the derivatives of the pixel's coverage when they move right and down.
    pub(super) lines: Vec<Nearest>,
    /// Whether a line sees anything of the outline.
    pub(super) is_edge: [bool; MAX_LINES],
}

impl CoverageTape {
    /// Nothing covered.
    pub(super) const NOTHING: Self = Self {
        coverage: ZEROS,
        d_half_width: ZEROS,
        lines: Vec::new(),
        is_edge: [false; MAX_LINES],
    };
}
