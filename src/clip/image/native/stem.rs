//! The first layer: a convolution of 3 x 3 pixels with stride 2, from views to maps.

use fearless_simd::Level;

use super::matrix::{Finish, PackedMatrix};
use super::stride_of;
use crate::clip::image::efficient_net::same_padding;

/// The side of the kernel.
const SIDE: usize = 3;
/// From output to output, in pixels.
const STEP: usize = 2;
/// Red, green and blue.
const CHANNELS: usize = 3;
/// The numbers that a result is computed from: the pixels under the kernel, channel by channel as in PyTorch's weights.
const PATCH: usize = CHANNELS * SIDE * SIDE;

/// The layer, as a product of the patches of a view with a matrix.
#[derive(Debug)]
pub(super) struct Stem {
    inputs: usize,
    outputs: usize,
    padding: usize,
    mean: [f32; CHANNELS],
    std: [f32; CHANNELS],
    forward: PackedMatrix,
    backward: PackedMatrix,
}

impl Stem {
    /// The layer for views of `inputs` by `inputs` pixels, which are normalized by a mean and a standard deviation first.
    /// `weight` is `[channels, 3, 3, 3]`.
    pub(super) fn new(
        inputs: usize,
        (mean, std): ([f32; CHANNELS], [f32; CHANNELS]),
        weight: &[f32],
        bias: &[f32],
    ) -> Self {
        let channels = bias.len();
        let element = |patch: usize, channel: usize| weight[channel * PATCH + patch];
        let [padding, _] = same_padding(inputs as i64, SIDE as i64, STEP as i64);
        Self {
            inputs,
            outputs: inputs.div_ceil(STEP),
            padding: padding as usize,
            mean,
            std,
            forward: PackedMatrix::new(PATCH, channels, element, |channel| bias[channel]),
            backward: PackedMatrix::new(
                channels,
                PATCH,
                |channel, patch| element(patch, channel),
                |_| 0.0,
            ),
        }
    }

    /// The side of a map of results in pixels.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The numbers of all patches of some views.
    pub(super) fn patches(&self, views: usize) -> usize {
        views * self.outputs * self.outputs * stride_of(PATCH)
    }

    /// The numbers of the maps of some views.
    pub(super) fn map_length(&self, views: usize) -> usize {
        views * self.outputs * self.outputs * self.forward.stride()
    }

    /// Views `[views, 3, inputs, inputs]` to activated maps `[views, outputs, outputs, stride]`. `patches` is memory.
    pub(super) fn forward(
        &self,
        level: Level,
        views: &[f32],
        patches: &mut [f32],
        maps: &mut [f32],
    ) {
        patches.fill(0.0);
        for place in self.places(views.len()) {
            let value = views[place.pixel];
            patches[place.patch] = (value - self.mean[place.channel]) / self.std[place.channel];
        }
        self.forward.multiply(level, patches, maps, Finish::Relu6);
    }

    /// The gradient with respect to the views, from that with respect to the maps before their activation.
    pub(super) fn backward(
        &self,
        level: Level,
        gradient: &[f32],
        patches: &mut [f32],
        views: &mut [f32],
    ) {
        self.backward
            .multiply(level, gradient, patches, Finish::Nothing);
        views.fill(0.0);
        for place in self.places(views.len()) {
            views[place.pixel] += patches[place.patch];
        }
        let plane = self.inputs * self.inputs;
        for (index, values) in views.chunks_exact_mut(plane).enumerate() {
            for value in values {
                *value /= self.std[index % CHANNELS];
            }
        }
    }

    /// All pairs of a pixel of a view and its place in a patch, in one order.
    fn places(&self, values: usize) -> impl Iterator<Item = Place> + '_ {
        let (side, outputs) = (self.inputs, self.outputs);
        let views = values / (CHANNELS * side * side);
        let results = (0..views * outputs * outputs).map(move |result| {
            let (view, pixel) = (result / (outputs * outputs), result % (outputs * outputs));
            (result, view, [pixel / outputs, pixel % outputs])
        });
        results.flat_map(move |(result, view, output)| {
            (0..PATCH).filter_map(move |patch| {
                let channel = patch / (SIDE * SIDE);
                let tap = [patch / SIDE % SIDE, patch % SIDE];
                let [y, x] = [0, 1].map(|axis| {
                    let place = (output[axis] * STEP + tap[axis]).checked_sub(self.padding)?;
                    (place < side).then_some(place)
                });
                Some(Place {
                    pixel: ((view * CHANNELS + channel) * side + y?) * side + x?,
                    patch: result * stride_of(PATCH) + patch,
                    channel,
                })
            })
        })
    }
}

/// A pixel of a view in a patch.
struct Place {
    pixel: usize,
    patch: usize,
    channel: usize,
}
