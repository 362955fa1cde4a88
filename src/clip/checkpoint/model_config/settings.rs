//! The settings themselves.

use std::path::Path;

use crate::clip::config::{BlockConfig, ClipConfig, ImageConfig};
use crate::clip::error::ClipError;

/// The settings of a model that its tensors do not show, and the sizes that they have to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelConfig {
    /// The image tower, if the configuration says anything of it.
    pub(crate) image: Option<TowerConfig>,
    /// The text tower, if the configuration says anything of it.
    pub(crate) text: Option<TowerConfig>,
    /// Channel means that are taken off a picture.
    pub(crate) mean: Option<[f32; 3]>,
    /// Standard deviations that a picture is divided by.
    pub(crate) std: Option<[f32; 3]>,
    /// Sizes that the tensors have to have.
    pub(super) sizes: Vec<StatedSize>,
}

/// The settings of one tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TowerConfig {
    /// The number of attention heads.
    pub(crate) heads: Heads,
    /// What the blocks compute.
    pub(crate) block: BlockConfig,
}

/// The attention heads of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heads {
    /// So many.
    Count(i64),
    /// So many that each has this number of channels.
    Width(i64),
}

impl Heads {
    /// How many there are where attention has `width` channels.
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
    /// Which one it is.
    pub(super) size: Size,
    /// How large it is.
    pub(super) value: i64,
    /// The name of the file that states it.
    pub(super) config: &'static str,
    /// The key, with the objects that it is in.
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
    /// What the tensors say, where the size exists.
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
