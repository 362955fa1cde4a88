//! The image tower of the RN models: OpenAI's ModifiedResNet.
//!
//! It differs from the usual `ResNet` by a stem of three convolutions, by average pooling instead of
//! strides, and by attention in place of the last pooling. Batch normalization is folded into the
//! convolutions when the weights are read.

use tch::{TchError, Tensor};

use super::blocks::{block_features, forward_blocks};
use crate::clip::checkpoint::detect::RESNET_GROWTH;
use crate::clip::checkpoint::weights::{Frozen, Weights, channels_last};
use crate::clip::config::{ClipConfig, NORM_EPSILON, ResNetSize};
use crate::clip::error::ClipError;
use crate::clip::layers::{ConvolutionSize, Linear, attend};

/// A block's output is this many times as wide as its inner convolutions.
const EXPANSION: i64 = 4;

/// A convolution followed by batch normalization.
#[derive(Debug, Clone)]
struct ConvBatchNorm {
    kernel: Frozen,
    bias: Frozen,
    stride: i64,
    padding: i64,
}

impl ConvBatchNorm {
    /// Reads a convolution and its norm, whose names are given.
    fn new(
        weights: &Weights<'_>,
        convolution: &str,
        norm: &str,
        size: ConvolutionSize,
    ) -> Result<Self, ClipError> {
        let outputs = size.outputs;
        let kernel = weights
            .at(convolution)
            .tensor("weight", &size.weight_shape())?;
        let norm = weights.at(norm);
        let vector = |name: &str| norm.tensor(name, &[outputs]);
        let scale = vector("weight")? / (vector("running_var")? + NORM_EPSILON).sqrt();
        let bias = vector("bias")? - vector("running_mean")? * &scale;
        let kernel = kernel * scale.reshape([outputs, 1, 1, 1]);
        Ok(Self {
            kernel: weights.place_kernel(&kernel)?,
            bias: weights.place(&bias)?,
            stride: size.stride,
            padding: size.kernel / 2,
        })
    }

    fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        map.f_conv2d(&self.kernel, Some(&*self.bias), stride, padding, [1, 1], 1)
    }
}

/// Average pooling over squares of `side` pixels.
fn avg_pool(map: &Tensor, side: i64) -> Result<Tensor, TchError> {
    if side == 1 {
        return Ok(map.shallow_clone());
    }
    map.f_avg_pool2d([side; 2], [side; 2], [0, 0], false, true, None)
}

/// Three convolutions and a shortcut around them.
#[derive(Debug, Clone)]
struct Bottleneck {
    conv1: ConvBatchNorm,
    conv2: ConvBatchNorm,
    conv3: ConvBatchNorm,
    shortcut: Option<ConvBatchNorm>,
    stride: i64,
}

impl Bottleneck {
    fn new(weights: &Weights<'_>, inputs: i64, width: i64, stride: i64) -> Result<Self, ClipError> {
        let outputs = EXPANSION * width;
        let shortcut = if stride > 1 || inputs != outputs {
            Some(ConvBatchNorm::new(
                &weights.at("downsample"),
                "0",
                "1",
                ConvolutionSize::new(inputs, outputs, 1),
            )?)
        } else {
            None
        };
        Ok(Self {
            conv1: ConvBatchNorm::new(
                weights,
                "conv1",
                "bn1",
                ConvolutionSize::new(inputs, width, 1),
            )?,
            conv2: ConvBatchNorm::new(
                weights,
                "conv2",
                "bn2",
                ConvolutionSize::new(width, width, 3),
            )?,
            conv3: ConvBatchNorm::new(
                weights,
                "conv3",
                "bn3",
                ConvolutionSize::new(width, outputs, 1),
            )?,
            shortcut,
            stride,
        })
    }

    fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let hidden = self.conv1.forward(map)?.f_relu()?;
        let hidden = self.conv2.forward(&hidden)?.f_relu()?;
        let hidden = self.conv3.forward(&avg_pool(&hidden, self.stride)?)?;
        let identity = match &self.shortcut {
            Some(shortcut) => shortcut.forward(&avg_pool(map, self.stride)?)?,
            None => map.shallow_clone(),
        };
        hidden.f_add(&identity)?.f_relu()
    }
}

/// Attention pooling of the last map. The query is the map's mean; keys and values are the mean and
/// all pixels.
#[derive(Debug, Clone)]
struct AttentionPool {
    positions: Frozen,
    queries: Linear,
    keys_and_values: Linear,
    output: Linear,
    heads: i64,
}

impl AttentionPool {
    fn new(
        weights: &Weights<'_>,
        width: i64,
        heads: i64,
        config: &ClipConfig,
    ) -> Result<Self, ClipError> {
        let positions = (config.image_size / RESNET_GROWTH).pow(2) + 1;
        let both = |name: &str, shape: &[i64]| -> Result<Frozen, ClipError> {
            let (keys, values) = (weights.at("k_proj"), weights.at("v_proj"));
            weights.place(&Tensor::cat(
                &[keys.tensor(name, shape)?, values.tensor(name, shape)?],
                0,
            ))
        };
        Ok(Self {
            positions: weights.placed("positional_embedding", &[positions, width])?,
            queries: Linear::new(&weights.at("q_proj"), width, width)?,
            keys_and_values: Linear::of(
                both("weight", &[width, width])?,
                Some(both("bias", &[width])?),
            ),
            output: Linear::new(&weights.at("c_proj"), width, config.embed_dim)?,
            heads,
        })
    }

    fn forward(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let pixels = map.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let mean = pixels.f_mean_dim(1, true, None)?;
        let tokens = Tensor::f_cat(&[&mean, &pixels], 1)?.f_add(&self.positions)?;
        let queries = self.queries.forward(&tokens.f_narrow(1, 0, 1)?)?;
        let parts = self.keys_and_values.forward(&tokens)?.f_chunk(2, -1)?;
        let attended = attend(self.heads, &queries, &parts[0], &parts[1], None)?;
        self.output.forward(&attended.f_select(1, 0)?)
    }
}

/// Stem, four stages of blocks, attention pooling.
#[derive(Debug, Clone)]
pub(crate) struct ResNet {
    stem: [ConvBatchNorm; 3],
    blocks: Vec<Bottleneck>,
    pool: AttentionPool,
    /// The numbers of blocks after which features are taken: at the ends of the stages layer2 and layer3 (`CLIPasso`,
    /// section 3.2).
    feature_depths: [usize; 2],
}

impl ResNet {
    /// Reads `visual`.
    pub(crate) fn new(
        weights: &Weights<'_>,
        size: ResNetSize,
        config: &ClipConfig,
    ) -> Result<Self, ClipError> {
        let ResNetSize {
            width,
            heads,
            layers,
        } = size;
        let mut blocks = Vec::new();
        let mut inputs = width;
        for (stage, count) in layers.into_iter().enumerate() {
            let stage_width = width << stage;
            let names = weights.at(format!("layer{}", stage + 1));
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                blocks.push(Bottleneck::new(
                    &names.at(index),
                    inputs,
                    stage_width,
                    stride,
                )?);
                inputs = EXPANSION * stage_width;
            }
        }
        let pool = AttentionPool::new(
            &weights.at("attnpool"),
            width * RESNET_GROWTH,
            heads,
            config,
        )?;
        Ok(Self {
            stem: read_stem(weights, width)?,
            blocks,
            pool,
            feature_depths: [2, 3].map(|stages| layers[..stages].iter().sum::<i64>() as usize),
        })
    }

    /// Normalized 32-bit pictures `[N, 3, R, R]` to features, `[N, C, H, W]` each.
    pub(crate) fn features(&self, pictures: &Tensor) -> Result<[Tensor; 2], TchError> {
        let mut map = channels_last(&pictures.f_to_kind(self.pool.positions.kind())?)?;
        for convolution in &self.stem {
            map = convolution.forward(&map)?.f_relu()?;
        }
        map = avg_pool(&map, 2)?;
        block_features(&self.blocks, self.feature_depths, map, Bottleneck::forward)
    }

    /// The last features to embeddings `[N, E]` that are not normalized.
    pub(crate) fn finish(&self, features: &Tensor) -> Result<Tensor, TchError> {
        let rest = &self.blocks[self.feature_depths[1]..];
        let map = forward_blocks(rest, features.shallow_clone(), Bottleneck::forward)?;
        self.pool.forward(&map)
    }
}

fn read_stem(weights: &Weights<'_>, width: i64) -> Result<[ConvBatchNorm; 3], ClipError> {
    let first = ConvolutionSize {
        stride: 2,
        ..ConvolutionSize::new(3, width / 2, 3)
    };
    Ok([
        ConvBatchNorm::new(weights, "conv1", "bn1", first)?,
        ConvBatchNorm::new(
            weights,
            "conv2",
            "bn2",
            ConvolutionSize::new(width / 2, width / 2, 3),
        )?,
        ConvBatchNorm::new(
            weights,
            "conv3",
            "bn3",
            ConvolutionSize::new(width / 2, width, 3),
        )?,
    ])
}
