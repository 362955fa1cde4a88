//! The image tower of the `ViT` models.

use tch::{TchError, Tensor};

use super::blocks::{block_features, forward_blocks};
use crate::clip::checkpoint::weights::{Frozen, Weights};
use crate::clip::config::{ClipConfig, TransformerSize};
use crate::clip::error::ClipError;
use crate::clip::layers::{LayerNorm, Linear};
use crate::clip::transformer::{TransformerBlock, TransformerBlockSize, read_blocks};

/// A transformer over square patches and one class token, whose final state is the picture's
/// embedding.
#[derive(Debug, Clone)]
pub(crate) struct VisionTransformer {
    pub(super) patches: Linear,
    pub(super) class: Frozen,
    pub(super) positions: Frozen,
    pub(super) first_norm: LayerNorm,
    pub(super) blocks: Vec<TransformerBlock>,
    pub(super) last_norm: LayerNorm,
    pub(super) projection: Linear,
    pub(super) size: TransformerSize,
    pub(super) grid: i64,
    /// The numbers of blocks after which features are taken: a third and two thirds of all, 4 and 8 of the 12 of `ViT-B`.
    /// `CLIPascene` (Vinker et al. 2023, section 4.1) compares blocks from the second to the last: the earlier the block, the
    /// more exactly its features follow the shapes.
    pub(super) feature_depths: [usize; 2],
}

impl VisionTransformer {
    /// Reads `visual`.
    pub(crate) fn new(
        weights: &Weights<'_>,
        size: TransformerSize,
        config: &ClipConfig,
    ) -> Result<Self, ClipError> {
        let TransformerSize {
            patch,
            width,
            heads,
            layers,
        } = size;
        let grid = config.image_size / patch;
        let pixels = 3 * patch * patch;
        let kernel = weights
            .tensor("conv1.weight", &[width, 3, patch, patch])?
            .reshape([width, pixels]);
        let projection = weights.tensor("proj", &[width, config.embed_dim])?.tr();
        let block_size = TransformerBlockSize {
            width,
            heads,
            block: config.image_block,
        };
        let epsilon = config.image_block.norm_epsilon;
        Ok(Self {
            patches: Linear::of(weights.place(&kernel)?, None),
            class: weights.placed("class_embedding", &[width])?,
            positions: weights.placed("positional_embedding", &[grid * grid + 1, width])?,
            first_norm: LayerNorm::new(&weights.at("ln_pre"), width, epsilon)?,
            blocks: read_blocks(&weights.at("transformer"), layers, block_size)?,
            last_norm: LayerNorm::new(&weights.at("ln_post"), width, epsilon)?,
            projection: Linear::of(weights.place(&projection)?, None),
            size,
            grid,
            feature_depths: [layers / 3, 2 * layers / 3].map(|depth| depth as usize),
        })
    }

    /// Normalized 32-bit pictures `[N, 3, R, R]` to features, `[N, 1 + G*G, W]` each.
    pub(crate) fn features(&self, pictures: &Tensor) -> Result<[Tensor; 2], TchError> {
        let tokens = self.first_norm.forward(&self.tokens(pictures)?)?;
        block_features(&self.blocks, self.feature_depths, tokens, forward)
    }

    /// The last features to embeddings `[N, E]` that are not normalized.
    pub(crate) fn finish(&self, features: &Tensor) -> Result<Tensor, TchError> {
        let Some(last) = self.blocks.last() else {
            return self.project(features);
        };
        // Two thirds of the blocks are fewer than all.
        let rest = &self.blocks[self.feature_depths[1]..self.blocks.len() - 1];
        let tokens = forward_blocks(rest, features.shallow_clone(), forward)?;
        self.project(&last.forward_first(&tokens)?)
    }

    /// The class token and then the patches as tokens, with positional embeddings:
    /// `[N, 1 + G*G, W]`.
    fn tokens(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let (count, patch, grid) = (pictures.size()[0], self.size.patch, self.grid);
        // Patches do not overlap, so the strided convolution is a matrix product over the patches.
        let cut = self
            .whole_patches(pictures)?
            .f_to_kind(self.class.kind())?
            .f_reshape([count, 3, grid, patch, grid, patch])?
            .f_permute([0, 2, 4, 1, 3, 5])?
            .f_reshape([count, grid * grid, 3 * patch * patch])?;
        let patches = self.patches.forward(&cut)?;
        let class = self.class.f_expand([count, 1, -1], false)?;
        Tensor::f_cat(&[&class, &patches], 1)?.f_add(&self.positions)
    }

    /// The pictures without the pixels after the last whole patch, which a convolution leaves out as well.
    fn whole_patches(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let side = self.grid * self.size.patch;
        if pictures.size()[2..] == [side, side] {
            return Ok(pictures.shallow_clone());
        }
        pictures.f_narrow(2, 0, side)?.f_narrow(3, 0, side)
    }

    fn project(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let class = tokens.f_select(1, 0)?;
        self.projection.forward(&self.last_norm.forward(&class)?)
    }
}

/// A block without a mask.
fn forward(block: &TransformerBlock, tokens: &Tensor) -> Result<Tensor, TchError> {
    block.forward(tokens, None)
}
