//! Eight or sixteen numbers side by side: a row of pixels of a tile, or a line of its samples.
//!
//! Everything here and whatever uses it is inlined into a function that `fearless_simd::dispatch!`
//! calls for the instruction set of the machine. Only operations that IEEE 754 rounds the same way
//! everywhere are used, none that are fused, so every machine gives the same bytes.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Simd, SimdBase, SimdSplit, f32x8, f32x16};

/// The side of a tile in pixels.
pub(super) const TILE: usize = 8;

/// One number for every pixel of a tile, row by row.
pub(super) type Plane = [[f32; TILE]; TILE];

/// A plane of zeros.
pub(super) const ZEROS: Plane = [[0.0; TILE]; TILE];

/// One number for every sample of a line: two samples of each of the pixels of a row, first the
/// left ones of all pixels, then the right ones.
pub(super) type Line = [f32; 2 * TILE];

/// Adds up what the two samples of each pixel of a line see.
#[inline(always)]
pub(super) fn by_pixel<S: Simd>(line: f32x16<S>) -> f32x8<S> {
    let (left, right) = line.split();
    left + right
}

/// The sum of a row, in the same order on every machine.
#[inline(always)]
pub(super) fn total<S: Simd>(row: f32x8<S>) -> f32 {
    let [a, b, c, d, e, f, g, h] = row.to_array();
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
