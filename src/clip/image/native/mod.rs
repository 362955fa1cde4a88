//! Image towers on a processor, forward and backward, without libtorch.
//!
//! Weights are packed once, in the order in which a product reads them, what follows a product is done while its result is
//! in registers, and memory is kept from step to step. Channels are adjacent, and their number is rounded up to a multiple
//! of sixteen by channels that are always zero. So no loop has a remainder.
//!
//! The tower of inverted residuals is small: most of its products have 8 to 128 rows, so that libtorch spends more time on
//! preparing an operation than on the operation. A map is `[views, side, side, stride]`, 32-bit, and a pass runs on one
//! thread.
//!
//! A vision transformer is large: all threads share each of its products. A map is `[panels, rows, 16]`, 32-bit: a panel is
//! 16 channels of all tokens of all views, and belongs to one thread. Heads are whole panels, so that attention is shared
//! in the same way.
//!
//! Every number of a view is computed by the same operations in the same order, whatever views are in the batch. So the
//! bytes of a drawing depend neither on its company nor on the number of threads.

mod vector;
#[cfg(test)]
mod testing;
mod panel;
mod matrix;
mod depthwise;
mod stem;
mod tower;
mod elementwise;
mod norm;
mod attention;
mod patches;
mod transformer_block;
mod transformer;
#[cfg(test)]
mod tests;

use tch::{TchError, Tensor};

use self::tower::{NativeTower, Tape};
use self::transformer::{NativeTransformer, TransformerTape};
use super::efficient_net::EfficientNet;
use super::vit::VisionTransformer;
use crate::clip::config::{ClipConfig, ImageConfig};

/// Whether there are passes for towers of these sizes.
pub(super) fn suits(config: &ImageConfig) -> bool {
    match config {
        ImageConfig::EfficientNet(size) => NativeTower::suits(size),
        ImageConfig::Transformer(size) => NativeTransformer::suits(size),
        ImageConfig::ResNet(_) => false,
    }
}

/// A tower with packed weights. Clones share them.
#[derive(Debug, Clone)]
pub(super) enum Native {
    /// Of inverted residuals.
    Convolutional(NativeTower),
    /// A vision transformer.
    Transformer(NativeTransformer),
}

/// Encoded views, with what the backward pass needs.
#[derive(Debug)]
pub(super) enum NativePass {
    Convolutional(NativeTower, Tape),
    Transformer(NativeTransformer, TransformerTape),
}

impl Native {
    /// A tower of inverted residuals, of sizes that it [`suits`].
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn convolutional(
        tower: &EfficientNet,
        config: &ClipConfig,
    ) -> Result<Self, TchError> {
        let side = config.image_size as usize;
        let native = NativeTower::new(tower, side, config.mean, config.std);
        native.map(Self::Convolutional)
    }

    /// A vision transformer, of sizes that it [`suits`].
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn transformer(
        tower: VisionTransformer,
        config: &ClipConfig,
    ) -> Result<Self, TchError> {
        let side = config.image_size as usize;
        let native = NativeTransformer::new(tower, side, config.mean, config.std);
        native.map(Self::Transformer)
    }

    /// Whether one pass runs on all threads.
    pub(super) fn shares_threads(&self) -> bool {
        matches!(self, Self::Transformer(_))
    }

    /// Views `[N, 3, R, R]`, 32-bit, to embeddings `[N, E]` that are not normalized.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn forward(&self, views: &Tensor) -> Result<(Tensor, NativePass), TchError> {
        Ok(match self {
            Self::Convolutional(tower) => {
                let (embeddings, tape) = tower.forward(views)?;
                (embeddings, NativePass::Convolutional(tower.clone(), tape))
            }
            Self::Transformer(tower) => {
                let (embeddings, tape) = tower.forward(views)?;
                (embeddings, NativePass::Transformer(tower.clone(), tape))
            }
        })
    }

    /// The features of views `[N, 3, R, R]`, as [`NativePass::features`] gives them, without the layers after them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features(&self, views: &Tensor) -> Result<[Tensor; 2], TchError> {
        match self {
            Self::Convolutional(tower) => tower.features(views),
            Self::Transformer(tower) => tower.features(views),
        }
    }
}

impl NativePass {
    /// The features of the views that were encoded, `[N, ...]` each.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features(&self) -> Result<[Tensor; 2], TchError> {
        match self {
            Self::Convolutional(tower, tape) => tower.features_on(tape),
            Self::Transformer(tower, tape) => tower.features_on(tape),
        }
    }

    /// Ends the pass without a gradient, and keeps its memory for a later one.
    pub(super) fn keep_memory(self) {
        match self {
            Self::Convolutional(tower, tape) => tower.keep(tape),
            Self::Transformer(tower, tape) => tower.keep(tape),
        }
    }

    /// The gradient with respect to the views, `[N, 3, R, R]`, from that with respect to the embeddings, `[N, E]`, and to
    /// the features, if the loss depends on them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn backward(
        self,
        gradient: &Tensor,
        features: Option<&[Tensor; 2]>,
    ) -> Result<Tensor, TchError> {
        match self {
            Self::Convolutional(tower, tape) => tower.backward(tape, gradient, features),
            Self::Transformer(tower, tape) => tower.backward(tape, gradient, features),
        }
    }
}
