//! The text tower.

use tch::{Device, Kind, TchError, Tensor};

use super::checkpoint::weights::{Frozen, Weights};
use super::config::{ClipConfig, TextConfig};
use super::error::ClipError;
use super::layers::{LayerNorm, Linear};
use super::transformer::{Block, BlockSize, read_blocks};

/// A transformer in which each token sees only those before it; the end mark's last state is the embedding.
///
/// It always computes in 32 bits: a prompt is read once, so nothing would be won by fewer.
#[derive(Debug)]
pub(crate) struct TextTower {
    vocabulary: Frozen,
    positions: Frozen,
    blocks: Vec<Block>,
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
        let size = BlockSize {
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

    /// Token ids, marks included and at most as many as the context, to an embedding `[E]` of any length.
    pub(crate) fn forward(&self, ids: &[i64]) -> Result<Tensor, TchError> {
        // No token sees a later one and the end mark has the highest id, so what follows it is left out.
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
/// LongCLIP (Zhang et al. 2024) has two tables, of which the first keeps the rows that it was begun with.
fn positions(weights: &Weights<'_>, text: TextConfig) -> Result<Tensor, ClipError> {
    /// Rows that LongCLIP takes from the first table (beichenzbc/Long-CLIP, `model_longclip.py`).
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
