//! An image tower of inverted residuals: EfficientNet-Lite, with the mean of its last map and a projection.
//!
//! On a CPU it is the fastest tower for its accuracy, because its convolutions are depthwise or 1 x 1.
//! The layout is that of Tan & Le 2019, table 1, in the Lite version of tensorflow/tpu
//! (`efficientnet_lite_builder.py`): no squeeze-and-excitation, `ReLU6` throughout, and TensorFlow's
//! "same" padding. Batch normalization is folded into the convolutions before the weights are written.

use tch::{TchError, Tensor};

use super::blocks::{block_features, forward_blocks};
use crate::clip::checkpoint::weights::{Frozen, Weights, channels_last};
use crate::clip::config::{ClipConfig, EfficientNetSize};
use crate::clip::error::ClipError;
use crate::clip::layers::{ConvolutionSize, Linear};

/// Expansion ratio of the blocks of each stage: the width in the middle over the width of the
/// input.
const EXPANSIONS: [i64; 7] = [1, 6, 6, 6, 6, 6, 6];
/// Kernel size of the depthwise convolutions of each stage.
const KERNELS: [i64; 7] = [3, 3, 5, 3, 5, 5, 3];
/// Stride of the first block of each stage.
const STRIDES: [i64; 7] = [1, 2, 2, 2, 1, 2, 1];
/// The stages whose outputs are features, counted from 0: their maps have 16 x 16 and 8 x 8 pixels of a picture of 64 x 64.
/// Drawings that followed later stages (2 and 4) had the shapes of a picture less exactly, and those of 1 and 4 were alike.
const FEATURE_STAGES: [usize; 2] = [1, 2];

/// The sizes of one block, an inverted residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvertedResidualSize {
    /// Input channels.
    pub inputs: i64,
    /// Channels in the middle, after expansion.
    pub middle: i64,
    /// Output channels.
    pub outputs: i64,
    /// Kernel size of the depthwise convolution.
    pub kernel: i64,
    /// Stride in pixels.
    pub stride: i64,
}

impl InvertedResidualSize {
    /// Whether the input is added to the output.
    pub fn has_shortcut(self) -> bool {
        self.stride == 1 && self.inputs == self.outputs
    }

    /// Whether there is a convolution that expands the input.
    pub fn expands(self) -> bool {
        self.middle != self.inputs
    }
}

impl EfficientNetSize {
    /// The sizes of all blocks in their order.
    pub fn blocks(&self) -> Vec<InvertedResidualSize> {
        let mut blocks = Vec::new();
        let mut inputs = self.stem;
        for stage in 0..self.layers.len() {
            for index in 0..self.layers[stage] {
                blocks.push(InvertedResidualSize {
                    inputs,
                    middle: inputs * EXPANSIONS[stage],
                    outputs: self.widths[stage],
                    kernel: KERNELS[stage],
                    stride: if index == 0 { STRIDES[stage] } else { 1 },
                });
                inputs = self.widths[stage];
            }
        }
        blocks
    }

    /// The numbers of blocks after which features are taken.
    fn feature_depths(&self) -> [usize; 2] {
        FEATURE_STAGES.map(|stage| self.layers[..=stage].iter().sum::<i64>() as usize)
    }
}

/// The numbers of zeros that TensorFlow's "same" padding adds before and after a side, so that the
/// output has `side / stride` pixels, rounded up. If the total is odd, the extra zero is added after.
pub(crate) fn same_padding(side: i64, kernel: i64, stride: i64) -> [i64; 2] {
    let outputs = (side + stride - 1) / stride;
    let total = ((outputs - 1) * stride + kernel - side).max(0);
    [total / 2, total - total / 2]
}

/// A feature map, padded with zeros where "same" padding needs what a convolution cannot do itself,
/// and the number of zeros that the convolution adds on each side.
///
/// # Errors
/// When libtorch fails.
pub fn pad(map: &Tensor, kernel: i64, stride: i64) -> Result<(Tensor, i64), TchError> {
    let size = map.size();
    let [top, bottom] = same_padding(size[2], kernel, stride);
    let [left, right] = same_padding(size[3], kernel, stride);
    if [top, bottom, left, right].iter().all(|zeros| *zeros == top) {
        return Ok((map.shallow_clone(), top));
    }
    let padded = map.f_constant_pad_nd([left, right, top, bottom])?;
    Ok((padded, 0))
}

/// A convolution with "same" padding.
#[derive(Debug, Clone)]
pub(super) struct SamePaddedConvolution {
    /// `[outputs, inputs of a group, side, side]`.
    pub(super) kernel: Frozen,
    /// `[outputs]`.
    pub(super) bias: Frozen,
    pub(super) side: i64,
    pub(super) stride: i64,
    groups: i64,
}

impl SamePaddedConvolution {
    /// Reads `weight` `[outputs, inputs, side, side]` and `bias`.
    fn dense(weights: &Weights<'_>, size: ConvolutionSize) -> Result<Self, ClipError> {
        let kernel = weights.tensor("weight", &size.weight_shape())?;
        Ok(Self {
            kernel: weights.place_kernel(&kernel)?,
            bias: weights.placed("bias", &[size.outputs])?,
            side: size.kernel,
            stride: size.stride,
            groups: 1,
        })
    }

    /// Reads `weight` `[channels, 1, side, side]` and `bias`: a depthwise convolution.
    fn depthwise(
        weights: &Weights<'_>,
        channels: i64,
        side: i64,
        stride: i64,
    ) -> Result<Self, ClipError> {
        let kernel = weights.tensor("weight", &[channels, 1, side, side])?;
        Ok(Self {
            kernel: weights.place_kernel(&kernel)?,
            bias: weights.placed("bias", &[channels])?,
            side,
            stride,
            groups: channels,
        })
    }

    fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let (map, padding) = pad(map, self.side, self.stride)?;
        let (kernel, bias) = (&*self.kernel, Some(&*self.bias));
        map.f_conv2d(
            kernel,
            bias,
            [self.stride; 2],
            [padding; 2],
            [1, 1],
            self.groups,
        )
    }

    fn forward_relu6(&self, map: &Tensor) -> Result<Tensor, TchError> {
        self.forward(map)?.f_relu6()
    }
}

/// An inverted residual (Sandler et al. 2018): wide in the middle, where the convolution is depthwise; narrow
/// at both ends.
#[derive(Debug, Clone)]
pub(super) struct InvertedResidual {
    pub(super) expand: Option<SamePaddedConvolution>,
    pub(super) depthwise: SamePaddedConvolution,
    pub(super) project: SamePaddedConvolution,
    pub(super) has_shortcut: bool,
}

impl InvertedResidual {
    fn new(weights: &Weights<'_>, size: InvertedResidualSize) -> Result<Self, ClipError> {
        let InvertedResidualSize {
            inputs,
            middle,
            outputs,
            kernel,
            stride,
        } = size;
        let expand = if size.expands() {
            Some(SamePaddedConvolution::dense(
                &weights.at("expand"),
                ConvolutionSize::new(inputs, middle, 1),
            )?)
        } else {
            None
        };
        Ok(Self {
            expand,
            depthwise: SamePaddedConvolution::depthwise(
                &weights.at("depthwise"),
                middle,
                kernel,
                stride,
            )?,
            project: SamePaddedConvolution::dense(
                &weights.at("project"),
                ConvolutionSize::new(middle, outputs, 1),
            )?,
            has_shortcut: size.has_shortcut(),
        })
    }

    fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let middle = match &self.expand {
            Some(expand) => expand.forward_relu6(map)?,
            None => map.shallow_clone(),
        };
        let middle = self.depthwise.forward_relu6(&middle)?;
        let outputs = self.project.forward(&middle)?;
        if self.has_shortcut {
            outputs.f_add(map)
        } else {
            Ok(outputs)
        }
    }
}

/// Stem, blocks, head, mean, projection.
#[derive(Debug, Clone)]
pub(crate) struct EfficientNet {
    pub(super) stem: SamePaddedConvolution,
    pub(super) blocks: Vec<InvertedResidual>,
    pub(super) head: SamePaddedConvolution,
    pub(super) projection: Linear,
    /// The numbers of blocks after which features are taken.
    pub(super) feature_depths: [usize; 2],
}

impl EfficientNet {
    /// Reads `visual`.
    pub(crate) fn new(
        weights: &Weights<'_>,
        size: EfficientNetSize,
        config: &ClipConfig,
    ) -> Result<Self, ClipError> {
        let names = weights.at("blocks");
        let blocks = size.blocks().into_iter().enumerate();
        let blocks = blocks.map(|(index, size)| InvertedResidual::new(&names.at(index), size));
        let last = size.widths[size.widths.len() - 1];
        let stem = ConvolutionSize {
            stride: 2,
            ..ConvolutionSize::new(3, size.stem, 3)
        };
        Ok(Self {
            stem: SamePaddedConvolution::dense(&weights.at("stem"), stem)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            head: SamePaddedConvolution::dense(
                &weights.at("head"),
                ConvolutionSize::new(last, size.head, 1),
            )?,
            projection: Linear::new(&weights.at("projection"), size.head, config.embed_dim)?,
            feature_depths: size.feature_depths(),
        })
    }

    /// Normalized 32-bit pictures `[N, 3, R, R]` to features, `[N, C, H, W]` each.
    pub(crate) fn features(&self, pictures: &Tensor) -> Result<[Tensor; 2], TchError> {
        let map = channels_last(&pictures.f_to_kind(self.stem.bias.kind())?)?;
        let map = self.stem.forward_relu6(&map)?;
        block_features(
            &self.blocks,
            self.feature_depths,
            map,
            InvertedResidual::forward,
        )
    }

    /// The last features to embeddings `[N, E]` that are not normalized.
    pub(crate) fn finish(&self, features: &Tensor) -> Result<Tensor, TchError> {
        let rest = &self.blocks[self.feature_depths[1]..];
        let map = forward_blocks(rest, features.shallow_clone(), InvertedResidual::forward)?;
        let map = self.head.forward_relu6(&map)?;
        self.projection
            .forward(&map.f_mean_dim([2_i64, 3].as_slice(), false, None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        // tf.nn.conv2d's documentation: an even side with stride 2 is padded at its end.
        assert_eq!(same_padding(64, 3, 2), [0, 1]);
        assert_eq!(same_padding(16, 5, 2), [1, 2]);
        assert_eq!(same_padding(7, 3, 2), [1, 1]);
        assert_eq!(same_padding(8, 5, 1), [2, 2]);
        assert_eq!(same_padding(8, 1, 1), [0, 0]);
    }

    #[test]
    fn the_blocks_are_those_of_lite0() {
        let blocks = EfficientNetSize::lite0().blocks();
        assert_eq!(blocks.len(), 16);
        let first = InvertedResidualSize {
            inputs: 32,
            middle: 32,
            outputs: 16,
            kernel: 3,
            stride: 1,
        };
        assert_eq!(blocks[0], first);
        assert!(!first.expands() && !first.has_shortcut());
        let last = InvertedResidualSize {
            inputs: 192,
            middle: 1152,
            outputs: 320,
            kernel: 3,
            stride: 1,
        };
        assert_eq!(blocks[15], last);
        let reduction: i64 = blocks.iter().map(|block| block.stride).product();
        assert_eq!(2 * reduction, 32);
    }

    #[test]
    fn lite2_is_wider_and_deeper_but_for_its_ends() {
        let (small, large) = (EfficientNetSize::lite0(), EfficientNetSize::lite2());
        assert_eq!((small.stem, small.head), (large.stem, large.head));
        for stage in 0..7 {
            let deeper = (1.2 * small.layers[stage] as f64).ceil() as i64;
            let repeats = if stage == 0 || stage == 6 { 1 } else { deeper };
            assert_eq!(large.layers[stage], repeats);
            // Multiples of eight, the nearest (`round_filters` of efficientnet_lite_builder.py).
            let wider = (1.1 * small.widths[stage] as f64 + 4.0) as i64 / 8 * 8;
            assert_eq!(large.widths[stage], wider);
        }
    }
}
