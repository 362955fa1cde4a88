//! Small layers that both transformers share.

use tch::{Kind, TchError, Tensor};

use super::checkpoint::weights::{Frozen, Weights};
use super::config::Activation;
use super::error::ClipError;
use crate::compute::to_host;

/// Slope of the quick GELU's sigmoid (openai/CLIP, model.py).
const QUICK_GELU_SLOPE: f64 = 1.702;

/// `x W^T + b` over the last dimension.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weight: Frozen,
    bias: Option<Frozen>,
}

impl Linear {
    /// Reads `weight` `[outputs, inputs]` and `bias`.
    pub(crate) fn new(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Result<Self, ClipError> {
        Self::named(weights, "weight", "bias", inputs, outputs)
    }

    /// Reads a weight and a bias of these names.
    pub(crate) fn named(
        weights: &Weights<'_>,
        weight: &str,
        bias: &str,
        inputs: i64,
        outputs: i64,
    ) -> Result<Self, ClipError> {
        let weight = weights.placed(weight, &[outputs, inputs])?;
        let bias = Some(weights.placed(bias, &[outputs])?);
        Ok(Self { weight, bias })
    }

    /// Takes finished tensors: `[outputs, inputs]` and, if any, `[outputs]`.
    pub(crate) fn of(weight: Frozen, bias: Option<Frozen>) -> Self {
        Self { weight, bias }
    }

    /// Reads `weight` and `bias`, and multiplies each output by its element of `scale`, `[outputs]`, if there is one.
    pub(crate) fn scaled(
        weights: &Weights<'_>,
        inputs: i64,
        outputs: i64,
        scale: Option<&Tensor>,
    ) -> Result<Self, ClipError> {
        let Some(scale) = scale else {
            return Self::new(weights, inputs, outputs);
        };
        let (weight, bias) = (
            weights.tensor("weight", &[outputs, inputs])?,
            weights.tensor("bias", &[outputs])?,
        );
        let scaled = |tensor: Tensor, scale: &Tensor| {
            let scaled = tensor.f_mul(scale);
            scaled.map_err(ClipError::while_doing("scaling a layer"))
        };
        Ok(Self {
            weight: weights.place(&scaled(weight, &scale.reshape([outputs, 1]))?)?,
            bias: Some(weights.place(&scaled(bias, scale)?)?),
        })
    }

    /// The weight, `[outputs, inputs]`, and the bias, `[outputs]`, zeros if there is none.
    pub(crate) fn to_host(&self) -> Result<(Vec<f32>, Vec<f32>), TchError> {
        let weight = to_host(&self.weight)?;
        let bias = match &self.bias {
            Some(bias) => to_host(bias)?,
            None => vec![0.0; self.output_count()],
        };
        Ok((weight, bias))
    }

    /// The number of outputs.
    pub(crate) fn output_count(&self) -> usize {
        self.weight.size()[0] as usize
    }

    /// `[.., inputs]` to `[.., outputs]`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_linear(&self.weight, self.bias.as_deref())
    }

    /// The part of this layer that computes outputs `start .. start + length`, without a copy.
    pub(crate) fn outputs(&self, start: i64, length: i64) -> Result<Self, TchError> {
        let bias = self
            .bias
            .as_ref()
            .map(|bias| bias.narrow(0, start, length))
            .transpose()?;
        Ok(Self {
            weight: self.weight.narrow(0, start, length)?,
            bias,
        })
    }
}

/// The sizes of a convolution with a square kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvolutionSize {
    /// Input channels.
    pub(crate) inputs: i64,
    /// Output channels.
    pub(crate) outputs: i64,
    /// Kernel size in pixels.
    pub(crate) kernel: i64,
    /// Stride in pixels.
    pub(crate) stride: i64,
}

impl ConvolutionSize {
    /// The shape of the weight, `[outputs, inputs, kernel, kernel]`.
    pub(crate) fn weight_shape(self) -> [i64; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }

    /// A convolution with a stride of one pixel.
    pub(crate) fn new(inputs: i64, outputs: i64, kernel: i64) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            stride: 1,
        }
    }
}

/// Layer normalization over the last dimension.
#[derive(Debug, Clone)]
pub(crate) struct LayerNorm {
    pub(super) weight: Frozen,
    pub(super) bias: Frozen,
    width: i64,
    pub(super) epsilon: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias`, both `[width]`. `epsilon` is added to the variance.
    pub(crate) fn new(weights: &Weights<'_>, width: i64, epsilon: f64) -> Result<Self, ClipError> {
        let (weight, bias) = (
            weights.placed("weight", &[width])?,
            weights.placed("bias", &[width])?,
        );
        Ok(Self {
            weight,
            bias,
            width,
            epsilon,
        })
    }

    /// The same shape as the input.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_layer_norm(
            [self.width],
            Some(&*self.weight),
            Some(&*self.bias),
            self.epsilon,
            false,
        )
    }
}

/// The multilayer perceptron of a block: two layers; in most models, the hidden width is four times as large.
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    pub(super) fc: Linear,
    pub(super) proj: Linear,
    pub(super) activation: Activation,
}

impl Mlp {
    /// Reads `c_fc`, whose number of rows is the hidden width, and `c_proj`, whose outputs are multiplied by `scale`.
    pub(crate) fn new(
        weights: &Weights<'_>,
        width: i64,
        activation: Activation,
        scale: Option<&Tensor>,
    ) -> Result<Self, ClipError> {
        let expand = weights.at("c_fc");
        let hidden = expand.rows("weight").unwrap_or(4 * width);
        let fc = Linear::new(&expand, width, hidden)?;
        let proj = Linear::scaled(&weights.at("c_proj"), hidden, width, scale)?;
        Ok(Self {
            fc,
            proj,
            activation,
        })
    }

    /// The same shape as the input.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let hidden = self.fc.forward(input)?;
        let activated = match self.activation {
            // `x sigmoid(a x)` is `silu(a x) / a`, and silu has one kernel for each direction.
            Activation::QuickGelu => hidden
                .f_mul_scalar(QUICK_GELU_SLOPE)?
                .f_silu()?
                .f_mul_scalar(1.0 / QUICK_GELU_SLOPE)?,
            Activation::Gelu => hidden.f_gelu("none")?,
        };
        self.proj.forward(&activated)
    }
}

/// Attention of `queries` `[N, Q, W]` to `keys` and `values` `[N, L, W]`: `[N, Q, W]`.
///
/// `mask`, `[Q, L]`, is added to the scores. Written out in matrix products rather than with libtorch's
/// fused attention, whose backward pass sums in no fixed order on CUDA.
pub(crate) fn attend(
    heads: i64,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor, TchError> {
    let (batch, length, width) = queries.size3()?;
    let split = |tensor: &Tensor| {
        tensor
            .f_reshape([batch, -1, heads, width / heads])?
            .f_transpose(1, 2)
    };
    let scale = ((width / heads) as f64).powf(-0.5);
    let queries = split(queries)?.f_mul_scalar(scale)?;
    let mut scores = queries.f_matmul(&split(keys)?.f_transpose(2, 3)?)?;
    if let Some(mask) = mask {
        scores = scores.f_add(mask)?;
    }
    let weights = scores.f_softmax(-1, None::<Kind>)?;
    let attended = weights.f_matmul(&split(values)?)?;
    attended
        .f_transpose(1, 2)?
        .f_reshape([batch, length, width])
}
