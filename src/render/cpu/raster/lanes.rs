//! Eight or sixteen numbers side by side: a row of pixels of a tile, or a line of its samples.
//!
//! Everything here, and everything that uses it, is inlined into a function that
//! `fearless_simd::dispatch!` calls for the instruction set of the machine. Only operations that
//! IEEE 754 rounds the same way everywhere are used. A fused multiply-add rounds once where a
//! product and a sum round twice, and not every machine has it, so there is none: every machine
//! gives the same bytes.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Simd, SimdBase, SimdSplit, f32x8, f32x16};

/// The side of a tile in pixels: one row of pixels is one vector of eight numbers.
pub(super) const TILE: usize = 8;

/// One number for every pixel of a tile, row by row.
pub(super) type Plane = [[f32; TILE]; TILE];

/// A plane of zeros.
pub(super) const ZEROS: Plane = [[0.0; TILE]; TILE];

/// One number for every sample of a line: two samples of each pixel of a row, first the left ones of
/// all pixels, then the right ones, so that adding the halves gives one number per pixel.
///
/// ```text
///   pixels    |  0  |  1  |  2  | ...         line   [0L 1L 2L ... 7L | 0R 1R 2R ... 7R]
///   samples   | L R | L R | L R |
/// ```
pub(super) type Line = [f32; 2 * TILE];

/// Adds up the two samples of each pixel of a line.
#[inline(always)]
pub(super) fn by_pixel<S: Simd>(line: f32x16<S>) -> f32x8<S> {
    let (left, right) = line.split();
    left + right
}

/// The sum of a row. The order is written out because the sum of floats depends on it, and a
/// library's reduction may choose another order for each instruction set.
#[inline(always)]
pub(super) fn total<S: Simd>(row: f32x8<S>) -> f32 {
    let [a, b, c, d, e, f, g, h] = row.to_array();
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
