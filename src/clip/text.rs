//! The text tower.

use tch::{Device, Kind, TchError, Tensor};

use super::checkpoint::weights::{Frozen, Weights};
use super::config::{ClipConfig, TextConfig};
use super::error::ClipError;
use super::layers::{LayerNorm, Linear};
use super::transformer::{TransformerBlock, TransformerBlockSize, read_blocks};

/// A transformer in which each token attends only to itself and to earlier ones; the final state of the
/// end token is the embedding.
///
/// It always computes in 32-bit floats: a prompt is encoded only once, so lower precision would
/// save nothing.
#[derive(Debug, Clone)]
pub(crate) struct TextTower {
    vocabulary: Frozen,
    positions: Frozen,
    blocks: Vec<TransformerBlock>,
    last_norm: LayerNorm,
    projection: Linear,
    device: Device,
}

impl TextTower {
    /// Reads the tensors at the root of the file.
    pub(crate) fn new(
        weights: &Weights<'_>,
        config: &ClipConfig,
        device: Device,
    ) -> Result<Self, ClipError> {
        let weights = weights.in_fp32();
        let text = config.text;
        let size = TransformerBlockSize {
            width: text.width,
            heads: text.heads,
            block: config.text_block,
        };
        let projection = weights
            .tensor("text_projection", &[text.width, config.embed_dim])?
            .tr();
        Ok(Self {
            vocabulary: weights.placed("token_embedding.weight", &[text.vocabulary, text.width])?,
            positions: weights.place(&positions(&weights, text)?)?,
            blocks: read_blocks(&weights.at("transformer"), text.layers, size)?,
            last_norm: LayerNorm::new(
                &weights.at("ln_final"),
                text.width,
                config.text_block.norm_epsilon,
            )?,
            projection: Linear::of(weights.place(&projection)?, None),
            device,
        })
    }

    /// The device that holds the weights.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// Token ids, including the start and end tokens and at most as many as the context length, to an
    /// embedding `[E]` that is not normalized.
    pub(crate) fn forward(&self, ids: &[i64]) -> Result<Tensor, TchError> {
        // No token attends to a later one, so the tokens after the end token, which has the highest id,
        // are left out.
        let highest = ids.iter().max();
        let length = ids
            .iter()
            .position(|id| Some(id) == highest)
            .map_or(0, |end| end + 1);
        let ids = Tensor::f_from_slice(&ids[..length])?.f_to_device(self.device)?;
        let length = length as i64;
        let mut tokens = self.vocabulary.f_index_select(0, &ids)?;
        tokens = tokens
            .f_add(&self.positions.f_narrow(0, 0, length)?)?
            .f_unsqueeze(0)?;
        let mask = Tensor::f_full(
            [length, length],
            f64::NEG_INFINITY,
            (Kind::Float, self.device),
        )?
        .f_triu(1)?;
        for block in &self.blocks {
            tokens = block.forward(&tokens, Some(&mask))?;
        }
        let end = tokens.f_select(1, length - 1)?;
        self.projection
            .forward(&self.last_norm.forward(&end)?)?
            .f_select(0, 0)
    }
}

/// The position embeddings `[context, width]`.
///
/// LongCLIP (Zhang et al. 2024) has two tables: the first rows are those of the first table.
fn positions(weights: &Weights<'_>, text: TextConfig) -> Result<Tensor, ClipError> {
    /// Number of rows from the first table (beichenzbc/Long-CLIP, `model_longclip.py`).
    const KEPT: i64 = 20;
    let shape = [text.context, text.width];
    let first = weights.tensor("positional_embedding", &shape)?;
    let Some(second) = weights.optional("positional_embedding_res", &shape)? else {
        return Ok(first);
    };
    let kept = KEPT.min(text.context);
    let joined = || {
        let rest = second.f_narrow(0, kept, text.context - kept)?;
        Tensor::f_cat(&[first.f_narrow(0, 0, kept)?, rest], 0)
    };
    joined().map_err(ClipError::while_doing("joining position embeddings"))
}
