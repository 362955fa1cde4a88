//! The image tower of the `ViT` models.

use tch::{TchError, Tensor};

use crate::clip::checkpoint::weights::{Frozen, Weights};
use crate::clip::config::{ClipConfig, TransformerSize};
use crate::clip::error::ClipError;
use crate::clip::layers::{LayerNorm, Linear};
use crate::clip::transformer::{TransformerBlock, TransformerBlockSize, read_blocks};

/// A transformer over square patches and one class token, whose final state is the picture's
/// embedding.
#[derive(Debug, Clone)]
pub(crate) struct VisionTransformer {
    patches: Linear,
    class: Frozen,
    positions: Frozen,
    first_norm: LayerNorm,
    blocks: Vec<TransformerBlock>,
    last_norm: LayerNorm,
    projection: Linear,
    patch: i64,
    grid: i64,
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
        let size = TransformerBlockSize {
            width,
            heads,
            activation: config.activation,
        };
        Ok(Self {
            patches: Linear::of(weights.place(&kernel)?, None),
            class: weights.placed("class_embedding", &[width])?,
            positions: weights.placed("positional_embedding", &[grid * grid + 1, width])?,
            first_norm: LayerNorm::new(&weights.at("ln_pre"), width)?,
            blocks: read_blocks(&weights.at("transformer"), layers, size)?,
            last_norm: LayerNorm::new(&weights.at("ln_post"), width)?,
            projection: Linear::of(weights.place(&projection)?, None),
            patch,
            grid,
        })
    }

    /// Normalized 32-bit pictures `[N, 3, R, R]` to embeddings `[N, E]` that are not normalized.
    pub(crate) fn forward(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let mut tokens = self.first_norm.forward(&self.tokens(pictures)?)?;
        let Some((last, blocks)) = self.blocks.split_last() else {
            return self.project(&tokens);
        };
        for block in blocks {
            tokens = block.forward(&tokens, None)?;
        }
        self.project(&last.forward_first(&tokens)?)
    }

    /// The class token and then the patches as tokens, with positional embeddings:
    /// `[N, 1 + G*G, W]`.
    fn tokens(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        let (count, patch, grid) = (pictures.size()[0], self.patch, self.grid);
        // Patches do not overlap, so the strided convolution is a matrix product over the patches.
        let cut = pictures
            .f_to_kind(self.class.kind())?
            .f_reshape([count, 3, grid, patch, grid, patch])?
            .f_permute([0, 2, 4, 1, 3, 5])?
            .f_reshape([count, grid * grid, 3 * patch * patch])?;
        let patches = self.patches.forward(&cut)?;
        let class = self.class.f_expand([count, 1, -1], false)?;
        Tensor::f_cat(&[&class, &patches], 1)?.f_add(&self.positions)
    }

    fn project(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let class = tokens.f_select(1, 0)?;
        self.projection.forward(&self.last_norm.forward(&class)?)
    }
}
