//! The sizes of a CLIP model.

use crate::compute::TowerKind;

/// Channel means of CLIP's training pictures, red, green, blue, 0 to 1 (openai/CLIP, clip.py).
pub const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviations that belong to [`CLIP_MEAN`].
pub const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Channels per attention head in every model of OpenAI's (openai/CLIP, model.py).
pub(crate) const HEAD_WIDTH: i64 = 64;
/// Added to the variance by every norm of OpenAI's models (PyTorch's default).
pub const NORM_EPSILON: f64 = 1e-5;
/// Size of CLIP's vocabulary, including the start and end tokens.
pub(crate) const VOCABULARY: i64 = 49_408;
/// The id of the end token, which is the highest.
pub(crate) const END_TOKEN: i64 = VOCABULARY - 1;
/// Maximum number of tokens that the text tower of OpenAI's models reads.
pub const CONTEXT: i64 = 77;

/// Everything about a CLIP model that is not a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipConfig {
    /// Length of an embedding.
    pub embed_dim: i64,
    /// Size of the square images that the model encodes, in pixels.
    pub image_size: i64,
    /// The image tower.
    pub image: ImageConfig,
    /// Number of image towers of this kind, which take turns: 1 in every model except the embedded
    /// one.
    pub towers: usize,
    /// The text tower.
    pub text: TextConfig,
    /// The settings of the blocks of the image tower, if it is a transformer.
    pub image_block: BlockConfig,
    /// The settings of the blocks of the text tower.
    pub text_block: BlockConfig,
    /// Channel means that are subtracted from a picture.
    pub mean: [f32; 3],
    /// Standard deviations that a picture is divided by.
    pub std: [f32; 3],
}

/// The image tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageConfig {
    /// A vision transformer over square patches.
    Transformer(TransformerSize),
    /// OpenAI's ModifiedResNet.
    ResNet(ResNetSize),
    /// EfficientNet-Lite, the tower of the embedded model.
    EfficientNet(EfficientNetSize),
}

impl ImageConfig {
    /// How the tower computes.
    pub fn tower_kind(&self) -> TowerKind {
        match self {
            Self::Transformer(_) => TowerKind::Transformer,
            Self::ResNet(_) | Self::EfficientNet(_) => TowerKind::Convolutional,
        }
    }
}

/// The sizes of a vision transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformerSize {
    /// Side of a patch in pixels.
    pub patch: i64,
    /// Channels.
    pub width: i64,
    /// Attention heads.
    pub heads: i64,
    /// Blocks.
    pub layers: i64,
}

/// The sizes of a ModifiedResNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetSize {
    /// Channels after the stem.
    pub width: i64,
    /// Heads of the attention pooling.
    pub heads: i64,
    /// Blocks of each stage.
    pub layers: [i64; 4],
}

/// The sizes of an EfficientNet-Lite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EfficientNetSize {
    /// Channels after the stem.
    pub stem: i64,
    /// Blocks of each stage.
    pub layers: [i64; 7],
    /// Channels after each stage.
    pub widths: [i64; 7],
    /// Channels of the last map.
    pub head: i64,
}

impl EfficientNetSize {
    /// The smallest of the family.
    pub const fn lite0() -> Self {
        Self {
            stem: 32,
            layers: [1, 2, 2, 3, 3, 4, 1],
            widths: [16, 24, 40, 80, 112, 192, 320],
            head: 1280,
        }
    }

    /// A tenth wider and a fifth deeper than the smallest, except at its two ends.
    pub const fn lite2() -> Self {
        Self {
            layers: [1, 3, 3, 4, 4, 5, 1],
            widths: [16, 24, 48, 88, 120, 208, 352],
            ..Self::lite0()
        }
    }
}

/// The sizes of a text tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextConfig {
    /// Maximum number of tokens, including the start and end tokens.
    pub context: i64,
    /// Size of the vocabulary.
    pub vocabulary: i64,
    /// Channels.
    pub width: i64,
    /// Attention heads.
    pub heads: i64,
    /// Blocks.
    pub layers: i64,
}

/// The activation function of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`, of OpenAI's own models.
    QuickGelu,
    /// The exact Gaussian error linear unit.
    Gelu,
}

/// The settings of the blocks of a transformer that the shapes of their tensors do not show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockConfig {
    /// The activation function of the MLP.
    pub activation: Activation,
    /// Added to the variance by each layer norm.
    pub norm_epsilon: f64,
}

impl BlockConfig {
    /// The blocks of OpenAI's models.
    pub(crate) const OPEN_AI: Self = Self {
        activation: Activation::QuickGelu,
        norm_epsilon: NORM_EPSILON,
    };
}

/// One named model: name, length of an embedding, image size in pixels, image tower, text width.
type NamedSizes = (&'static str, i64, i64, ImageConfig, i64);

const fn transformer(patch: i64, width: i64, layers: i64) -> ImageConfig {
    ImageConfig::Transformer(TransformerSize {
        patch,
        width,
        heads: width / HEAD_WIDTH,
        layers,
    })
}

const fn resnet(width: i64, layers: [i64; 4]) -> ImageConfig {
    ImageConfig::ResNet(ResNetSize {
        width,
        heads: width * 32 / HEAD_WIDTH,
        layers,
    })
}

/// OpenAI's published models (openai/CLIP, clip.py).
const PRESETS: [NamedSizes; 9] = [
    ("RN50", 1024, 224, resnet(64, [3, 4, 6, 3]), 512),
    ("RN101", 512, 224, resnet(64, [3, 4, 23, 3]), 512),
    ("RN50x4", 640, 288, resnet(80, [4, 6, 10, 6]), 640),
    ("RN50x16", 768, 384, resnet(96, [6, 8, 18, 8]), 768),
    ("RN50x64", 1024, 448, resnet(128, [3, 15, 36, 10]), 1024),
    ("ViT-B/32", 512, 224, transformer(32, 768, 12), 512),
    ("ViT-B/16", 512, 224, transformer(16, 768, 12), 512),
    ("ViT-L/14", 768, 224, transformer(14, 1024, 24), 768),
    ("ViT-L/14@336px", 768, 336, transformer(14, 1024, 24), 768),
];

impl ClipConfig {
    /// The sizes of the OpenAI model of this name, such as `ViT-B/32` or `RN50`.
    pub fn preset(name: &str) -> Option<Self> {
        PRESETS
            .iter()
            .find(|preset| preset.0 == name)
            .map(Self::of_preset)
    }

    /// The names that [`ClipConfig::preset`] knows.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.0)
    }

    /// A vision transformer small enough for a test: 32 px, two blocks.
    pub fn tiny_transformer() -> Self {
        let image = ImageConfig::Transformer(TransformerSize {
            patch: 8,
            width: 64,
            heads: 4,
            layers: 2,
        });
        Self::tiny(32, image)
    }

    /// A ModifiedResNet small enough for a test: 64 px, one block in each stage.
    pub fn tiny_resnet() -> Self {
        let image = ImageConfig::ResNet(ResNetSize {
            width: 8,
            heads: 4,
            layers: [1, 1, 1, 1],
        });
        Self::tiny(64, image)
    }

    /// An EfficientNet small enough for a test: 32 px, one block in each stage.
    pub fn tiny_efficient_net() -> Self {
        let image = ImageConfig::EfficientNet(EfficientNetSize {
            stem: 8,
            layers: [1; 7],
            widths: [4, 8, 8, 12, 12, 16, 16],
            head: 32,
        });
        Self::tiny(32, image)
    }

    /// Two tiny EfficientNet towers with different weights.
    pub fn tiny_towers() -> Self {
        Self {
            towers: 2,
            ..Self::tiny_efficient_net()
        }
    }

    fn tiny(image_size: i64, image: ImageConfig) -> Self {
        let text = TextConfig {
            context: CONTEXT,
            vocabulary: VOCABULARY,
            width: 16,
            heads: 2,
            layers: 1,
        };
        Self::of(32, image_size, image, text)
    }

    fn of_preset(&(_, embed_dim, image_size, image, width): &NamedSizes) -> Self {
        let heads = width / HEAD_WIDTH;
        let text = TextConfig {
            context: CONTEXT,
            vocabulary: VOCABULARY,
            width,
            heads,
            layers: 12,
        };
        Self::of(embed_dim, image_size, image, text)
    }

    fn of(embed_dim: i64, image_size: i64, image: ImageConfig, text: TextConfig) -> Self {
        Self {
            embed_dim,
            image_size,
            image,
            towers: 1,
            text,
            image_block: BlockConfig::OPEN_AI,
            text_block: BlockConfig::OPEN_AI,
            mean: CLIP_MEAN,
            std: CLIP_STD,
        }
    }

    /// The name of the OpenAI model with these sizes, else a short description of the image tower; if there
    /// are several towers, it begins with their number.
    pub fn name(&self) -> String {
        match self.towers {
            1 => self.tower_name(),
            towers => format!("{towers} times {}", self.tower_name()),
        }
    }

    fn tower_name(&self) -> String {
        let same = |preset: &&NamedSizes| {
            let (_, embed_dim, image_size, image, width) = **preset;
            (embed_dim, image_size, image, width)
                == (self.embed_dim, self.image_size, self.image, self.text.width)
        };
        if let Some(preset) = PRESETS.iter().find(same) {
            return preset.0.to_owned();
        }
        match self.image {
            ImageConfig::Transformer(TransformerSize {
                patch,
                width,
                layers,
                ..
            }) => {
                format!("ViT {layers}x{width}/{patch} at {} px", self.image_size)
            }
            ImageConfig::ResNet(ResNetSize { width, layers, .. }) => {
                let blocks = layers.map(|count| count.to_string()).join("-");
                format!("RN {blocks}x{width} at {} px", self.image_size)
            }
            ImageConfig::EfficientNet(EfficientNetSize { layers, head, .. }) => {
                let blocks: i64 = layers.iter().sum();
                format!(
                    "EfficientNet-Lite {blocks}x{head} at {} px",
                    self.image_size
                )
            }
        }
    }
}
