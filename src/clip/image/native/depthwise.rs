//! Depthwise convolutions: every channel has a kernel of its own.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, dispatch, f32x16};

use super::vector::{LANES, relu6, relu6_gradient, stride_of};
use crate::clip::image::efficient_net::same_padding;

/// A depthwise convolution of square maps with "same" padding, and the activation after it.
#[derive(Debug)]
pub(super) struct Depthwise {
    /// Of the kernel.
    side: usize,
    /// In pixels, from output to output.
    step: usize,
    /// Zeros before a row or column.
    padding: usize,
    inputs: usize,
    outputs: usize,
    channel_stride: usize,
    /// `[side, side, channel stride]`.
    taps: Vec<f32>,
    /// `[channel stride]`.
    bias: Vec<f32>,
}

impl Depthwise {
    /// A convolution of maps of `inputs` by `inputs` pixels with a kernel of `side` by `side` pixels. `tap` is an element of
    /// the kernel, by channel and by its place in the kernel, row by row.
    pub(super) fn new(
        (inputs, channels): (usize, usize),
        (side, step): (usize, usize),
        tap: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let channel_stride = stride_of(channels);
        let mut taps = vec![0.0; side * side * channel_stride];
        for (place, taps) in taps.chunks_exact_mut(channel_stride).enumerate() {
            for (channel, value) in taps.iter_mut().take(channels).enumerate() {
                *value = tap(channel, place);
            }
        }
        let mut padded_bias = vec![0.0; channel_stride];
        for (channel, value) in padded_bias.iter_mut().take(channels).enumerate() {
            *value = bias(channel);
        }
        let [padding, _] = same_padding(inputs as i64, side as i64, step as i64);
        Self {
            side,
            step,
            padding: padding as usize,
            inputs,
            outputs: inputs.div_ceil(step),
            channel_stride,
            taps,
            bias: padded_bias,
        }
    }

    /// The side of a map of results in pixels.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Maps `[views, inputs, inputs, channel stride]` to activated results `[views, outputs, outputs, channel stride]`.
    pub(super) fn forward(&self, level: Level, maps: &[f32], results: &mut Vec<f32>) {
        let (map, result) = self.lengths();
        results.resize(maps.len() / map * result, 0.0);
        let views = maps.chunks_exact(map).zip(results.chunks_exact_mut(result));
        for (map, result) in views {
            dispatch!(level, simd => self.forward_view(simd, map, result));
        }
    }

    /// The gradient with respect to what was activated to become the maps, from that with respect to the results before their
    /// activation. `maps` are those of [`Depthwise::forward`].
    pub(super) fn backward(
        &self,
        level: Level,
        gradient: &[f32],
        maps: &[f32],
        map_gradient: &mut Vec<f32>,
    ) {
        let (map, result) = self.lengths();
        map_gradient.resize(maps.len(), 0.0);
        let views = gradient
            .chunks_exact(result)
            .zip(maps.chunks_exact(map))
            .zip(map_gradient.chunks_exact_mut(map));
        for ((gradient, map), map_gradient) in views {
            dispatch!(level, simd => self.backward_view(simd, gradient, map, map_gradient));
        }
    }

    /// Numbers of a map and of its result.
    fn lengths(&self) -> (usize, usize) {
        let length = |side: usize| side * side * self.channel_stride;
        (length(self.inputs), length(self.outputs))
    }

    #[inline(always)]
    fn forward_view<S: Simd>(&self, simd: S, map: &[f32], result: &mut [f32]) {
        let stride = self.channel_stride;
        for (pixel, values) in result.chunks_exact_mut(stride).enumerate() {
            let pixel = [pixel / self.outputs, pixel % self.outputs];
            for start in (0..stride).step_by(LANES) {
                let sum = self.result_at(simd, map, pixel, start);
                relu6(simd, sum).store_slice(&mut values[start..start + LANES]);
            }
        }
    }

    /// Some channels, from one on, of a pixel of the results, before the activation.
    #[inline(always)]
    fn result_at<S: Simd>(
        &self,
        simd: S,
        map: &[f32],
        [row, column]: [usize; 2],
        start: usize,
    ) -> f32x16<S> {
        let mut sum = vector(simd, &self.bias, start);
        for y in self.inputs_of(row) {
            for x in self.inputs_of(column) {
                let tap = self.tap(y, row) * self.side + self.tap(x, column);
                let places = [tap, y * self.inputs + x];
                let [tap, place] = places.map(|place| place * self.channel_stride + start);
                sum = vector(simd, map, place).mul_add(vector(simd, &self.taps, tap), sum);
            }
        }
        sum
    }

    #[inline(always)]
    fn backward_view<S: Simd>(
        &self,
        simd: S,
        gradient: &[f32],
        map: &[f32],
        map_gradient: &mut [f32],
    ) {
        let stride = self.channel_stride;
        for (index, values) in map_gradient.chunks_exact_mut(stride).enumerate() {
            let pixel = [index / self.inputs, index % self.inputs];
            for start in (0..stride).step_by(LANES) {
                let sum = self.gradient_at(simd, gradient, pixel, start);
                let results = vector(simd, map, index * stride + start);
                let value = relu6_gradient(simd, sum, results);
                value.store_slice(&mut values[start..start + LANES]);
            }
        }
    }

    /// The gradient with respect to some channels, from one on, of a pixel of the map.
    #[inline(always)]
    fn gradient_at<S: Simd>(
        &self,
        simd: S,
        gradient: &[f32],
        [row, column]: [usize; 2],
        start: usize,
    ) -> f32x16<S> {
        let mut sum = f32x16::splat(simd, 0.0);
        for y in self.outputs_of(row) {
            for x in self.outputs_of(column) {
                let tap = self.tap(row, y) * self.side + self.tap(column, x);
                let places = [tap, y * self.outputs + x];
                let [tap, place] = places.map(|place| place * self.channel_stride + start);
                sum = vector(simd, gradient, place).mul_add(vector(simd, &self.taps, tap), sum);
            }
        }
        sum
    }

    /// The rows of a map that a row of results is computed from; the same for columns.
    fn inputs_of(&self, output: usize) -> Range<usize> {
        let start = output * self.step;
        let end = (start + self.side).saturating_sub(self.padding);
        start.saturating_sub(self.padding)..end.min(self.inputs)
    }

    /// The rows of results that are computed from a row of a map.
    fn outputs_of(&self, input: usize) -> Range<usize> {
        let place = input + self.padding;
        let first = (place + 1).saturating_sub(self.side).div_ceil(self.step);
        first..(place / self.step + 1).min(self.outputs)
    }

    /// The row of the kernel that leads from a row of a map to one of results.
    fn tap(&self, input: usize, output: usize) -> usize {
        input + self.padding - output * self.step
    }
}

#[inline(always)]
fn vector<S: Simd>(simd: S, values: &[f32], start: usize) -> f32x16<S> {
    f32x16::from_slice(simd, &values[start..start + LANES])
}
