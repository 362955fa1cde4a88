//! The settings themselves.

use std::path::Path;

use crate::clip::config::{BlockConfig, ClipConfig, ImageConfig};
use crate::clip::error::ClipError;

/// The settings of a model that its tensors do not show, and the sizes that the tensors must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelConfig {
    /// The image tower, if the configuration contains it.
    pub(crate) image: Option<TowerConfig>,
    /// The text tower, if the configuration contains it.
    pub(crate) text: Option<TowerConfig>,
    /// Channel means that are subtracted from a picture.
    pub(crate) mean: Option<[f32; 3]>,
    /// Standard deviations that a picture is divided by.
    pub(crate) std: Option<[f32; 3]>,
    /// Sizes that the tensors must have.
    pub(super) sizes: Vec<StatedSize>,
}

/// The settings of one tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TowerConfig {
    /// The number of attention heads.
    pub(crate) heads: Heads,
    /// The settings of the blocks.
    pub(crate) block: BlockConfig,
}

/// The attention heads of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heads {
    /// This many.
    Count(i64),
    /// As many as there are groups of this number of channels.
    Width(i64),
}

impl Heads {
    /// The number of heads if attention has `width` channels.
    pub(crate) fn count(self, width: i64) -> i64 {
        match self {
            Self::Count(count) => count,
            Self::Width(channels) => width / channels.max(1),
        }
    }
}

/// A size that the configuration states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatedSize {
    /// The size.
    pub(super) size: Size,
    /// Its value.
    pub(super) value: i64,
    /// The name of the configuration file.
    pub(super) config: &'static str,
    /// The key, with the names of the objects around it.
    pub(super) key: String,
}

/// The sizes that configurations state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Embedding,
    Image,
    Patch,
    ImageWidth,
    ImageLayers,
    Context,
    Vocabulary,
    TextWidth,
    TextLayers,
}

impl Size {
    /// The size of the tensors, if the model has such a size.
    fn of(self, config: &ClipConfig) -> Option<i64> {
        match self {
            Self::Embedding => Some(config.embed_dim),
            Self::Image => Some(config.image_size),
            Self::Context => Some(config.text.context),
            Self::Vocabulary => Some(config.text.vocabulary),
            Self::TextWidth => Some(config.text.width),
            Self::TextLayers => Some(config.text.layers),
            Self::Patch | Self::ImageWidth | Self::ImageLayers => match config.image {
                ImageConfig::Transformer(tower) => Some(match self {
                    Self::Patch => tower.patch,
                    Self::ImageWidth => tower.width,
                    _ => tower.layers,
                }),
                ImageConfig::ResNet(tower) if self == Self::ImageWidth => Some(tower.width),
                ImageConfig::ResNet(_) | ImageConfig::EfficientNet(_) => None,
            },
        }
    }
}

impl ModelConfig {
    /// The stated size of the square images, in pixels.
    pub(crate) fn image_size(&self) -> Option<i64> {
        let stated = self.sizes.iter().find(|stated| stated.size == Size::Image);
        stated.map(|stated| stated.value)
    }

    /// Compares the stated sizes with those of the tensors.
    ///
    /// # Errors
    /// When they differ.
    pub(crate) fn check_sizes(&self, weights: &Path, found: &ClipConfig) -> Result<(), ClipError> {
        for stated in &self.sizes {
            let actual = stated
                .size
                .of(found)
                .filter(|actual| *actual != stated.value);
            if let Some(actual) = actual {
                return Err(ClipError::Unsupported {
                    file: weights.to_owned(),
                    config: stated.config.to_owned(),
                    key: stated.key.clone(),
                    found: stated.value.to_string(),
                    expected: format!("the tensors have {actual}"),
                });
            }
        }
        Ok(())
    }
}
