//! How much of a pixel a stroke covers, and how that changes with the stroke.
//!
//! Around a sample the outline of a stroke is taken as a straight line across the direction to the
//! nearest point of the centre line; the part of a square behind a straight line is exact. A thin
//! stroke ends again on the other side of its centre line, which is subtracted.

use std::ops::Range;

use multiversion::multiversion;

use super::chord::Chord;
use super::nearest::{Nearest, Plane, Samples, ZEROS, rows_near};
use super::plan::{PIXEL_REACH, TILE};

/// Strokes with smaller half widths, in pixels, are measured at four places in every pixel.
const FINE_BELOW: f32 = 2.0;

/// A stroke's outline against a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline<'a> {
    /// The chords that the candidates are taken from.
    pub(super) chords: &'a [Chord],
    /// The chords that can be nearest to a pixel of the tile.
    pub(super) candidates: &'a [u32],
    /// Half of the stroke's width, in pixels.
    pub(super) half_width: f32,
    /// The position of the tile's first corner, in pixels.
    pub(super) corner: [f32; 2],
}

impl Outline<'_> {
    /// Samples along each side of a pixel.
    fn fineness(&self) -> u8 {
        if self.half_width < FINE_BELOW { 2 } else { 1 }
    }

    /// The sets of samples, one sample of each pixel to a set.
    #[inline(always)]
    fn sets(&self) -> impl Iterator<Item = Samples> {
        let fineness = self.fineness();
        let step = 1.0 / f32::from(fineness);
        (0..fineness * fineness).map(move |set| Samples {
            first: [
                self.corner[0] + (f32::from(set % fineness) + 0.5) * step,
                self.corner[1] + (f32::from(set / fineness) + 0.5) * step,
            ],
            reach: self.half_width + PIXEL_REACH * step,
        })
    }

    /// The rows of pixels that the stroke can touch.
    fn rows(&self) -> Range<usize> {
        let samples = Samples {
            first: self.corner.map(|side| side + 0.5),
            reach: self.half_width + 0.5 + PIXEL_REACH,
        };
        let rows = self
            .candidates
            .iter()
            .map(|index| rows_near(&self.chords[*index as usize], &samples));
        rows.reduce(|all, some| all.start.min(some.start)..all.end.max(some.end))
            .unwrap_or(0..0)
    }
}

/// How coverage changes around one set of samples.
#[derive(Debug, Clone)]
pub(super) struct Slopes {
    /// By the half width.
    pub(super) widening: Plane,
    /// By moving the nearest point to the right.
    pub(super) right: Plane,
    /// By moving the nearest point downwards.
    pub(super) down: Plane,
    /// Where on its chord the nearest point lies, 0 at the start, 1 at the end.
    pub(super) along: Plane,
    /// The place of the nearest chord among the candidates.
    pub(super) chord: [[u32; TILE]; TILE],
}

/// The coverage of the pixels of a tile by a stroke, and how it changes.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    /// The rows that the stroke can touch; what is noted of other rows has no meaning.
    pub(super) rows: Range<usize>,
    /// The covered part of each pixel, 0 to 1.
    pub(super) coverage: Plane,
    /// One for each set of samples, of which the first `sets` count.
    pub(super) slopes: [Slopes; 4],
    /// The number of sets of samples.
    pub(super) sets: usize,
}

impl Traced {
    /// Nothing covered.
    pub(super) const EMPTY: Self = Self {
        rows: 0..0,
        coverage: ZEROS,
        slopes: [const { Slopes::NONE }; 4],
        sets: 0,
    };
}

impl Slopes {
    const NONE: Self = Self {
        widening: ZEROS,
        right: ZEROS,
        down: ZEROS,
        along: ZEROS,
        chord: [[0; TILE]; TILE],
    };
}

/// The coverage of the pixels of a tile, written to the rows that it returns.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(super) fn cover(
    outline: &Outline<'_>,
    nearest: &mut Nearest,
    coverage: &mut Plane,
) -> Range<usize> {
    let rows = outline.rows();
    let fineness = f32::from(outline.fineness());
    coverage[rows.clone()].fill([0.0; TILE]);
    for samples in outline.sets() {
        nearest.clear(rows.clone());
        for (place, index) in outline.candidates.iter().enumerate() {
            nearest.approach::<false>(&outline.chords[*index as usize], place as u32, &samples);
        }
        for row in rows.clone() {
            for column in 0..TILE {
                let offset = [nearest.right[row][column], nearest.down[row][column]];
                let edge = Edge::new(
                    offset,
                    nearest.square[row][column],
                    outline.half_width,
                    fineness,
                );
                coverage[row][column] += edge.coverage;
            }
        }
    }
    rows
}

/// The coverage of the pixels of a tile, and how it changes.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
pub(super) fn trace(outline: &Outline<'_>, nearest: &mut Nearest, traced: &mut Traced) {
    let rows = outline.rows();
    let fineness = f32::from(outline.fineness());
    traced.coverage[rows.clone()].fill([0.0; TILE]);
    traced.sets = 0;
    for (samples, slopes) in outline.sets().zip(&mut traced.slopes) {
        nearest.clear(rows.clone());
        for (place, index) in outline.candidates.iter().enumerate() {
            nearest.approach::<true>(&outline.chords[*index as usize], place as u32, &samples);
        }
        for row in rows.clone() {
            for column in 0..TILE {
                let offset = [nearest.right[row][column], nearest.down[row][column]];
                let edge = Edge::new(
                    offset,
                    nearest.square[row][column],
                    outline.half_width,
                    fineness,
                );
                traced.coverage[row][column] += edge.coverage;
                slopes.widening[row][column] = edge.widening;
                slopes.right[row][column] = edge.nearing * edge.direction[0];
                slopes.down[row][column] = edge.nearing * edge.direction[1];
            }
            slopes.along[row] = nearest.along[row];
            slopes.chord[row] = nearest.chord[row];
        }
        traced.sets += 1;
    }
    traced.rows = rows;
}

/// The outline around one sample.
#[derive(Debug, Clone, Copy)]
struct Edge {
    /// The part of its pixel that the sample stands for and that is covered.
    coverage: f32,
    /// The change of that with the half width.
    widening: f32,
    /// The change of that when the nearest point comes nearer.
    nearing: f32,
    /// From the nearest point to the sample, of length 1.
    direction: [f32; 2],
}

impl Edge {
    #[inline(always)]
    fn new(offset: [f32; 2], square: f32, half_width: f32, fineness: f32) -> Self {
        let distance = square.sqrt();
        let inverse = 1.0 / larger(distance, NEAREST);
        let direction = [offset[0] * inverse, offset[1] * inverse];
        let across = [direction[0].abs(), direction[1].abs()];
        // A direction of length 1 has these bounds; without a direction any serves.
        let major = larger(larger(across[0], across[1]), 0.7);
        let minor = larger(smaller(across[0], across[1]), 1e-3);
        let square = Square {
            major,
            inverse_major: 1.0 / major,
            minor,
            inverse_minor: 1.0 / minor,
        };
        let inside = (half_width - distance) * fineness;
        let (rest, near_slope) = square.beyond(inside.abs());
        let covered = if inside > 0.0 { 1.0 - rest } else { rest };
        let (lost, far_slope) = square.beyond((half_width + distance) * fineness);
        let share = 1.0 / fineness;
        Self {
            coverage: (covered - lost) * share * share,
            widening: (near_slope + far_slope) * share,
            nearing: (near_slope - far_slope) * share,
            direction,
        }
    }
}

/// A sample nearer to the centre line than this has no direction.
const NEAREST: f32 = 1e-6;

/// A unit square turned against a line: its shadow on the line's normal is a trapezoid.
#[derive(Debug, Clone, Copy)]
struct Square {
    /// The larger component of the normal.
    major: f32,
    inverse_major: f32,
    /// The smaller component of the normal.
    minor: f32,
    inverse_minor: f32,
}

impl Square {
    /// The part of the square beyond a line that passes its centre at `distance`, and how fast
    /// that part shrinks with the distance.
    #[inline(always)]
    fn beyond(&self, distance: f32) -> (f32, f32) {
        let corner = 0.5 * (self.major + self.minor) - distance;
        let slope = smaller(larger(corner, 0.0), self.minor);
        let core = larger(0.5 * (self.major - self.minor) - distance, 0.0);
        let steepness = slope * self.inverse_minor;
        let part = (0.5 * slope * steepness + core) * self.inverse_major;
        (part, steepness * self.inverse_major)
    }
}

/// Without the care for "not a number" of the standard function, which costs instructions.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}
