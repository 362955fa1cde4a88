//! How much of a sample's window a stroke covers, from the distance to the centre line alone.
//!
//! A pixel's coverage is the mean over its samples, and every sample is itself a weighted mean of
//! the stroke over a small round window. This is what makes the picture differentiable: as the
//! outline moves through the window, the covered part goes smoothly from 0 to 1.
//!
//! ```text
//!   a pixel with 2 x 2 samples      a sample x and its window, seen across the stroke
//!
//!   +-------+-------+                      outline       centre line
//!   |       |       |                         |               :
//!   |   x   |   x   |                (     x  |//)////////////N
//!   |       |       |                         |               :
//!   +-------+-------+                |<-- 2 r -->|            :
//!   |       |       |                      |<--- distance --->|
//!   |   x   |   x   |                         |<-half width-->|
//!   |       |       |
//!   +-------+-------+                N is the point of the centre line nearest to x
//! ```
//!
//! The covered part is the window's weight on the hatched side. Within a window the outline is
//! approximated by a straight line at right angles to the direction of N, so that this is an
//! integral in one dimension, `W((half width - distance) / r)`, with `W` the integral of the
//! window's projection on a line.
//!
//! The window is a smooth bump whose projection on any direction is the triweight kernel
//! `35/32 (1 - x^2)^3`. Its radius `r` is chosen so that the bump's spectrum vanishes at the
//! frequency of the samples: then the sum over samples hardly depends on where an outline lies
//! among them, nor does its gradient. A box as wide as a sample's square does that only for
//! straight outlines: with it, the gradient of round ends and thin strokes wavers by several per cent.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Simd, SimdBase, SimdFloat, f32x16};

/// The radius of the window, in steps from sample to sample. The spectrum of the triweight kernel is
/// `j3(k) / k^3` up to a factor, with the spherical Bessel function `j3`, whose first zero is at
/// 6.98793; over 2 pi, that is the radius whose spectrum is 0 at one cycle a step.
pub(super) const WINDOW_RADIUS: f32 = 1.112_16;

/// A sample nearer to the centre line than this, in pixels, has no direction to its nearest point;
/// the limit keeps the division finite and lets the derivative go to 0.
const MIN_DISTANCE: f32 = 1e-6;

/// A stroke's half width and how its pixels are sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    half_width: f32,
    /// One over the radius of a window in pixels.
    inverse_radius: f32,
    /// Whether a window can reach over both sides of the stroke at once.
    is_thin: bool,
}

/// The coverage of the windows of samples, and its derivatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeCoverage<S: Simd> {
    /// The covered part of the window, 0 to 1.
    pub(super) coverage: f32x16<S>,
    /// Its derivative with respect to the half width, per pixel.
    pub(super) d_half_width: f32x16<S>,
    /// Its derivative with respect to the nearest point, per pixel, as a multiple of the offset from that point to the sample.
    pub(super) pull: f32x16<S>,
}

impl Pen {
    /// A pen for strokes of some half width, in pixels, with `samples_per_axis` samples along each
    /// side of a pixel.
    pub(super) fn new(half_width: f32, samples_per_axis: u8) -> Self {
        let inverse_radius = f32::from(samples_per_axis) / WINDOW_RADIUS;
        Self {
            half_width,
            inverse_radius,
            is_thin: half_width * inverse_radius < 1.0,
        }
    }

    /// The distance from the centre line, in pixels, up to which a sample's window meets the stroke.
    pub(super) fn radius(&self) -> f32 {
        self.half_width + 1.0 / self.inverse_radius
    }

    /// The covered part of the windows of samples at some squared distances from the centre line.
    #[inline(always)]
    pub(super) fn coverage<S: Simd>(&self, square: f32x16<S>) -> f32x16<S> {
        let distance = square.sqrt();
        let covered = window_below(self.inside(distance));
        // `W(inside)` counts everything beyond the near outline; what lies beyond the far outline, on
        // the other side of the centre line, is no part of the stroke.
        if self.is_thin {
            covered - window_above(self.across(distance))
        } else {
            covered
        }
    }

    /// The coverage of the windows of samples at some squared distances from the centre line, with its derivatives.
    ///
    /// With `w = W'` and the window's radius `r` in pixels:
    ///
    /// ```text
    ///   coverage              = W((h - d) / r) - (1 - W((h + d) / r))
    ///   d coverage / d h      = (w((h - d) / r) + w((h + d) / r)) / r
    ///   d coverage / d d      = (w((h + d) / r) - w((h - d) / r)) / r
    ///   d d / d N             = (N - sample) / d
    /// ```
    #[inline(always)]
    pub(super) fn coverage_with_derivatives<S: Simd>(&self, square: f32x16<S>) -> EdgeCoverage<S> {
        let distance = square.sqrt();
        let inside = self.inside(distance);
        let (mut coverage, near) = (
            window_below(inside),
            window_at(inside) * self.inverse_radius,
        );
        let (mut d_half_width, mut d_approach) = (near, near);
        if self.is_thin {
            let across = self.across(distance);
            let far = window_at(across) * self.inverse_radius;
            coverage -= window_above(across);
            d_half_width += far;
            d_approach -= far;
        }
        // Two minus signs cancel: `offset` is sample - N, and coverage falls with the distance.
        EdgeCoverage {
            coverage,
            d_half_width,
            pull: d_approach / distance.max(MIN_DISTANCE),
        }
    }

    /// The distance from the near outline inwards, in window radii, clamped to -1 to 1.
    #[inline(always)]
    fn inside<S: Simd>(&self, distance: f32x16<S>) -> f32x16<S> {
        let inside = f32x16::splat(distance.simd, self.half_width) - distance;
        (inside * self.inverse_radius).max(-1.0).min(1.0)
    }

    /// The distance to the far outline, beyond the centre line, likewise.
    #[inline(always)]
    fn across<S: Simd>(&self, distance: f32x16<S>) -> f32x16<S> {
        ((distance + self.half_width) * self.inverse_radius).min(1.0)
    }
}

/// The weight `w` of the window, projected on a line, at a position from -1 to 1.
#[inline(always)]
fn window_at<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    let rest = f32x16::splat(position.simd, 1.0) - position * position;
    rest * rest * rest * (35.0 / 32.0)
}

/// The part `W` of the window below a position from -1 to 1, the integral of its weight:
/// `W(x) = 1/2 + 35/32 (x - x^3 + 3/5 x^5 - 1/7 x^7)`.
#[inline(always)]
fn window_below<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    let simd = position.simd;
    let square = position * position;
    let inner = f32x16::splat(simd, 21.0 / 32.0) - square * (5.0 / 32.0);
    let inner = f32x16::splat(simd, 35.0 / 32.0) - square * inner;
    let inner = f32x16::splat(simd, 35.0 / 32.0) - square * inner;
    f32x16::splat(simd, 0.5) + position * inner
}

/// The part of the window above a position from -1 to 1.
#[inline(always)]
fn window_above<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    f32x16::splat(position.simd, 1.0) - window_below(position)
}
