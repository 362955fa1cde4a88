//! The tower of inverted residuals on a processor, forward and backward, without libtorch.
//!
//! The tower is small: most of its products have 8 to 128 rows, so that libtorch spends more time on preparing an
//! operation than on the operation. Here the weights are packed once, in the order in which both passes read them, what
//! follows a product is done while its result is in registers, and memory is kept from step to step.
//!
//! A map is `[views, side, side, stride]`, 32-bit: the channels of a pixel are adjacent, and their number is rounded up
//! to a multiple of [`LANES`] by channels that are always zero. So no loop has a remainder.
//!
//! Every number of a view is computed by the same operations in the same order, whatever views are in the batch. So the
//! bytes of a drawing depend neither on its company nor on the number of threads.

mod matrix;
mod depthwise;
mod stem;
mod tower;

pub(super) use tower::{NativeTower, Tape};

use fearless_simd::{Select, Simd, SimdBase, f32x16};

/// The numbers of a vector.
const LANES: usize = 16;

/// A number of channels, rounded up.
fn stride_of(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// `min(max(x, 0), 6)`. Comparisons, unlike a maximum, leave NaN as it is on every machine.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn relu6<S: Simd>(simd: S, values: f32x16<S>) -> f32x16<S> {
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
fn relu6_gradient<S: Simd>(simd: S, gradient: f32x16<S>, results: f32x16<S>) -> f32x16<S> {
    let (zero, six) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 6.0));
    let gradient = results.simd_gt(zero).select(gradient, zero);
    results.simd_lt(six).select(gradient, zero)
}
