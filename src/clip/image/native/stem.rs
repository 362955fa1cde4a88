//! The first layer: a convolution of 3 x 3 pixels with stride 2, from views to maps.

use fearless_simd::Level;

use super::matrix::PackedMatrix;
use super::panel::Finish;
use super::vector::stride_of;
use crate::clip::image::efficient_net::same_padding;

/// The side of the kernel.
const SIDE: usize = 3;
/// From output to output, in pixels.
const STEP: usize = 2;
/// Red, green and blue.
pub(super) const CHANNELS: usize = 3;
/// The numbers that a result is computed from: the pixels under the kernel, channel by channel as in PyTorch's weights.
const PATCH: usize = CHANNELS * SIDE * SIDE;

/// The layer, as a product of the patches of a view with a matrix.
#[derive(Debug)]
pub(super) struct Stem {
    inputs: usize,
    outputs: usize,
    mean: [f32; CHANNELS],
    std: [f32; CHANNELS],
    /// All pairs of a number of a view and its place in the view's patches, in one order.
    places: Vec<Place>,
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
        Self {
            inputs,
            outputs: inputs.div_ceil(STEP),
            mean,
            std,
            places: places(inputs),
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

    /// Views `[views, 3, inputs, inputs]`, which are normalized in their place, to activated maps
    /// `[views, outputs, outputs, stride]`. `patches` is memory.
    pub(super) fn forward(
        &self,
        level: Level,
        views: &mut [f32],
        patches: &mut Vec<f32>,
        maps: &mut Vec<f32>,
    ) {
        let plane = self.inputs * self.inputs;
        let of_view = self.outputs * self.outputs * stride_of(PATCH);
        patches.clear();
        patches.resize(views.len() / (CHANNELS * plane) * of_view, 0.0);
        for (view, patches) in views
            .chunks_exact_mut(CHANNELS * plane)
            .zip(patches.chunks_exact_mut(of_view))
        {
            let channels = self.mean.into_iter().zip(self.std);
            for (plane, (mean, std)) in view.chunks_exact_mut(plane).zip(channels) {
                for value in plane {
                    *value = (*value - mean) / std;
                }
            }
            for place in &self.places {
                patches[place.in_patches as usize] = view[place.in_view as usize];
            }
        }
        self.forward.multiply(level, patches, maps, Finish::Relu6);
    }

    /// The gradient with respect to the views, from that with respect to the maps before their activation.
    pub(super) fn backward(
        &self,
        level: Level,
        gradient: &[f32],
        patches: &mut Vec<f32>,
        views: &mut [f32],
    ) {
        self.backward
            .multiply(level, gradient, patches, Finish::Nothing);
        views.fill(0.0);
        let plane = self.inputs * self.inputs;
        let of_view = self.outputs * self.outputs * stride_of(PATCH);
        for (view, patches) in views
            .chunks_exact_mut(CHANNELS * plane)
            .zip(patches.chunks_exact(of_view))
        {
            for place in &self.places {
                view[place.in_view as usize] += patches[place.in_patches as usize];
            }
            for (plane, std) in view.chunks_exact_mut(plane).zip(self.std) {
                for value in plane {
                    *value /= std;
                }
            }
        }
    }
}

/// A number of a view in a patch.
#[derive(Debug, Clone, Copy)]
struct Place {
    in_view: u32,
    in_patches: u32,
}

/// The places of all patches of a view of `side` by `side` pixels, without those in the padding.
fn places(side: usize) -> Vec<Place> {
    let [padding, _] = same_padding(side as i64, SIDE as i64, STEP as i64);
    let outputs = side.div_ceil(STEP);
    let mut places = Vec::with_capacity(outputs * outputs * PATCH);
    for result in 0..outputs * outputs {
        let output = [result / outputs, result % outputs];
        for patch in 0..PATCH {
            let tap = [patch / SIDE % SIDE, patch % SIDE];
            let inputs = [0, 1].map(|axis| {
                let place = (output[axis] * STEP + tap[axis]).checked_sub(padding as usize);
                place.filter(|place| *place < side)
            });
            if let [Some(y), Some(x)] = inputs {
                let channel = patch / (SIDE * SIDE);
                places.push(Place {
                    in_view: ((channel * side + y) * side + x) as u32,
                    in_patches: (result * stride_of(PATCH) + patch) as u32,
                });
            }
        }
    }
    places
}
