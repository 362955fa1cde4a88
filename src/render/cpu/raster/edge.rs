//! How much of the stroke a sample sees, from its distance to the centre line alone.
//!
//! A sample looks through a round window: a smooth bump (Epanechnikov's kernel cubed, the
//! "triweight") whose projection on any direction is `35/32 (1 - x^2)^3`. The window is as wide as
//! makes the bump's spectrum vanish at the frequency of the samples, so that the sum over samples
//! hardly depends on where an outline lies among them, nor does its gradient. A box as wide as the
//! sample's square does that only for straight outlines: with it, the gradient of round ends and
//! thin strokes wavers by some per cent.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Simd, SimdBase, SimdFloat, f32x16};

use super::nearest::Nearest;

/// Half of the window's width, in steps from sample to sample: the first zero, 6.98793, of the
/// spherical Bessel function `j3`, which is the bump's spectrum, over 2 pi.
pub(super) const WINDOW_RADIUS: f32 = 1.112_16;

/// A sample nearer to the centre line than this has no direction.
const MIN_DISTANCE: f32 = 1e-6;

/// A stroke's half width and how its pixels are sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    half_width: f32,
    /// Windows to a pixel: one over half of a window's width.
    sharpness: f32,
    /// Whether a window can see past both sides of the stroke.
    is_thin: bool,
}

/// What samples see, and how that changes with the stroke.
#[derive(Debug, Clone, Copy)]
pub(super) struct EdgeCoverage<S: Simd> {
    /// The covered part of the window.
    pub(super) coverage: f32x16<S>,
    /// The change of that with the half width.
    pub(super) d_half_width: f32x16<S>,
    /// The change when the nearest point moves to the right.
    pub(super) dx: f32x16<S>,
    /// The change when the nearest point moves down.
    pub(super) dy: f32x16<S>,
}

impl Pen {
    /// A pen for strokes of some half width, in pixels, with `samples_per_axis` samples along each side
    /// of a pixel.
    pub(super) fn new(half_width: f32, samples_per_axis: u8) -> Self {
        let sharpness = f32::from(samples_per_axis) / WINDOW_RADIUS;
        Self {
            half_width,
            sharpness,
            is_thin: half_width * sharpness < 1.0,
        }
    }

    /// How far from the centre line a sample can see the stroke, in pixels.
    pub(super) fn radius(&self) -> f32 {
        self.half_width + 1.0 / self.sharpness
    }

    /// The covered part of the window of samples at some squared distances.
    #[inline(always)]
    pub(super) fn coverage<S: Simd>(&self, square: f32x16<S>) -> f32x16<S> {
        let distance = square.sqrt();
        let covered = window_below(self.inside(distance));
        if self.is_thin {
            covered - window_above(self.across(distance))
        } else {
            covered
        }
    }

    /// What samples see and how it changes, from their nearest points.
    #[inline(always)]
    pub(super) fn coverage_with_derivatives<S: Simd>(
        &self,
        simd: S,
        nearest: &Nearest,
    ) -> EdgeCoverage<S> {
        let distance = f32x16::load_array_ref(simd, &nearest.square).sqrt();
        let inside = self.inside(distance);
        let (mut coverage, near) = (window_below(inside), window_at(inside) * self.sharpness);
        let (mut d_half_width, mut nearing) = (near, near);
        if self.is_thin {
            let across = self.across(distance);
            let far = window_at(across) * self.sharpness;
            coverage -= window_above(across);
            d_half_width += far;
            nearing -= far;
        }
        let pull = nearing / distance.max(MIN_DISTANCE);
        EdgeCoverage {
            coverage,
            d_half_width,
            dx: pull * f32x16::load_array_ref(simd, &nearest.dx),
            dy: pull * f32x16::load_array_ref(simd, &nearest.dy),
        }
    }

    /// From the outline inwards, in half widths of the window, at most 1 either way.
    #[inline(always)]
    fn inside<S: Simd>(&self, distance: f32x16<S>) -> f32x16<S> {
        let inside = f32x16::splat(distance.simd, self.half_width) - distance;
        (inside * self.sharpness).max(-1.0).min(1.0)
    }

    /// From the outline beyond the centre line, likewise.
    #[inline(always)]
    fn across<S: Simd>(&self, distance: f32x16<S>) -> f32x16<S> {
        ((distance + self.half_width) * self.sharpness).min(1.0)
    }
}

/// The weight of the window at a position in it, -1 to 1.
#[inline(always)]
fn window_at<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    let rest = f32x16::splat(position.simd, 1.0) - position * position;
    rest * rest * rest * (35.0 / 32.0)
}

/// The part of the window below a position in it: the integral of its weight.
#[inline(always)]
fn window_below<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    let simd = position.simd;
    let square = position * position;
    let inner = f32x16::splat(simd, 21.0 / 32.0) - square * (5.0 / 32.0);
    let inner = f32x16::splat(simd, 35.0 / 32.0) - square * inner;
    let inner = f32x16::splat(simd, 35.0 / 32.0) - square * inner;
    f32x16::splat(simd, 0.5) + position * inner
}

/// The part of the window above a position in it.
#[inline(always)]
fn window_above<S: Simd>(position: f32x16<S>) -> f32x16<S> {
    f32x16::splat(position.simd, 1.0) - window_below(position)
}
