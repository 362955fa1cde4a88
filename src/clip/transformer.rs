//! The residual attention block of both transformers.

use tch::{TchError, Tensor};

use super::checkpoint::weights::Weights;
use super::config::BlockConfig;
use super::error::ClipError;
use super::layers::{LayerNorm, Linear, Mlp, attend};

/// The sizes that all blocks of a transformer share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransformerBlockSize {
    /// Channels.
    pub(crate) width: i64,
    /// Attention heads.
    pub(crate) heads: i64,
    /// The settings of the blocks.
    pub(crate) block: BlockConfig,
}

/// Attention and then an MLP, each with a layer norm before it and its result added to its input.
///
/// Models with a layer scale (Touvron et al. 2021, "Going deeper with Image Transformers") multiply both
/// results by a vector before they are added. It is folded into the last layer of each.
#[derive(Debug, Clone)]
pub(crate) struct TransformerBlock {
    pub(super) attention_norm: LayerNorm,
    qkv: Linear,
    pub(super) queries: Linear,
    pub(super) keys_and_values: Linear,
    pub(super) output: Linear,
    pub(super) mlp_norm: LayerNorm,
    pub(super) mlp: Mlp,
    size: TransformerBlockSize,
}

impl TransformerBlock {
    /// Reads one `resblocks.N`.
    pub(crate) fn new(
        weights: &Weights<'_>,
        size: TransformerBlockSize,
    ) -> Result<Self, ClipError> {
        let width = size.width;
        let attention = weights.at("attn");
        let qkv = Linear::named(
            &attention,
            "in_proj_weight",
            "in_proj_bias",
            width,
            3 * width,
        )?;
        let part = |start, length| {
            qkv.outputs(start, length)
                .map_err(ClipError::while_doing("splitting an attention layer"))
        };
        let epsilon = size.block.norm_epsilon;
        let scale = |name| weights.at(name).optional("gamma", &[width]);
        let attention_scale = scale("ls_1")?;
        let mlp_scale = scale("ls_2")?;
        Ok(Self {
            queries: part(0, width)?,
            keys_and_values: part(width, 2 * width)?,
            attention_norm: LayerNorm::new(&weights.at("ln_1"), width, epsilon)?,
            output: Linear::scaled(
                &attention.at("out_proj"),
                width,
                width,
                attention_scale.as_ref(),
            )?,
            mlp_norm: LayerNorm::new(&weights.at("ln_2"), width, epsilon)?,
            mlp: Mlp::new(
                &weights.at("mlp"),
                width,
                size.block.activation,
                mlp_scale.as_ref(),
            )?,
            qkv,
            size,
        })
    }

    /// All tokens: `[N, L, W]` to `[N, L, W]`; `mask` is added to the attention scores.
    pub(crate) fn forward(
        &self,
        tokens: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let qkv = self.qkv.forward(&self.attention_norm.forward(tokens)?)?;
        let parts = qkv.f_chunk(3, -1)?;
        let attended = attend(self.size.heads, &parts[0], &parts[1], &parts[2], mask)?;
        self.finish(tokens, &attended)
    }

    /// The first token only, which still attends to all: `[N, L, W]` to `[N, 1, W]`.
    ///
    /// It equals the first token of [`TransformerBlock::forward`] and saves most of the work of the last
    /// block.
    pub(crate) fn forward_first(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let normed = self.attention_norm.forward(tokens)?;
        let queries = self.queries.forward(&normed.f_narrow(1, 0, 1)?)?;
        let parts = self.keys_and_values.forward(&normed)?.f_chunk(2, -1)?;
        let attended = attend(self.size.heads, &queries, &parts[0], &parts[1], None)?;
        self.finish(&tokens.f_narrow(1, 0, 1)?, &attended)
    }

    fn finish(&self, tokens: &Tensor, attended: &Tensor) -> Result<Tensor, TchError> {
        let tokens = tokens.f_add(&self.output.forward(attended)?)?;
        let hidden = self.mlp.forward(&self.mlp_norm.forward(&tokens)?)?;
        tokens.f_add(&hidden)
    }
}

/// Reads `resblocks.0` up to `resblocks.{count - 1}`.
pub(crate) fn read_blocks(
    weights: &Weights<'_>,
    count: i64,
    size: TransformerBlockSize,
) -> Result<Vec<TransformerBlock>, ClipError> {
    let blocks = weights.at("resblocks");
    (0..count)
        .map(|index| TransformerBlock::new(&blocks.at(index), size))
        .collect()
}
