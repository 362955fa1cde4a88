//! What all layers share: the length of vectors, and the activation.

use fearless_simd::{Select, Simd, SimdBase, f32x16};

/// The numbers of a vector.
pub(super) const LANES: usize = 16;

/// The numbers of a vector in memory.
pub(super) type Line = [f32; LANES];

/// A number of channels, rounded up.
pub(super) fn stride_of(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// `min(max(x, 0), 6)`. Comparisons, unlike a maximum, leave NaN as it is on every machine.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
pub(super) fn relu6<S: Simd>(simd: S, values: f32x16<S>) -> f32x16<S> {
    let (zero, six) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 6.0));
    let positive = values.simd_lt(zero).select(zero, values);
    positive.simd_gt(six).select(six, positive)
}

/// The gradient before a `ReLU6`, from that after it and its results: 0 at both limits, as in PyTorch.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
pub(super) fn relu6_gradient<S: Simd>(
    simd: S,
    gradient: f32x16<S>,
    results: f32x16<S>,
) -> f32x16<S> {
    let (zero, six) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 6.0));
    let gradient = results.simd_gt(zero).select(gradient, zero);
    results.simd_lt(six).select(gradient, zero)
}
