//! Finds a model's sizes in the shapes of its tensors, by OpenAI's own rules (openai/CLIP, model.py, `build_model`).

use std::collections::BTreeMap;
use std::str::FromStr;

use tch::Tensor;

use super::Checkpoint;
use super::model_config::{Heads, ModelConfig, TowerConfig};
use super::names::described_names;
use crate::clip::config::{
    Activation, BlockConfig, CLIP_MEAN, CLIP_STD, ClipConfig, EfficientNetSize, HEAD_WIDTH,
    ImageConfig, NORM_EPSILON, ResNetSize, TextConfig, TransformerSize, VOCABULARY,
};
use crate::clip::error::ClipError;
use crate::plural::counted;

/// How much smaller a ModifiedResNet's last map is than its picture.
const RESNET_REDUCTION: i64 = 32;
/// Channels of a ModifiedResNet's last map for each channel after its stem.
pub(crate) const RESNET_GROWTH: i64 = 32;

/// The largest image size that a header may state, in pixels; published models have at most 1024.
const LARGEST_IMAGE: i64 = 4096;

/// Widths of published image transformers whose heads are not 64 wide: ViT-H, g, bigG and e (`open_clip`,
/// `model_configs`).
const WIDTHS_OF_16_HEADS: [i64; 4] = [1280, 1408, 1664, 1792];

/// Everything that is known about a model: its tensors with their header, and the configuration next to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The tensors, and the header's metadata, which takes precedence over the configuration.
    pub(crate) checkpoint: &'a Checkpoint,
    /// The configuration next to the weights.
    pub(crate) config: Option<&'a ModelConfig>,
    /// The caller's activation function, which takes precedence over everything else.
    pub(crate) activation: Option<Activation>,
}

impl Evidence<'_> {
    fn image(&self) -> Option<TowerConfig> {
        self.config?.image
    }

    fn text(&self) -> Option<TowerConfig> {
        self.config?.text
    }

    /// Whether the activation function is not stated, so that OpenAI's is assumed.
    ///
    /// # Errors
    /// When the header's value is unknown.
    pub(crate) fn assumes_activation(&self) -> Result<bool, ClipError> {
        let stated = self.activation.is_some() || self.image().or(self.text()).is_some();
        Ok(!stated && stated_activation(self.checkpoint)?.is_none())
    }

    fn block(&self, tower: Option<TowerConfig>) -> Result<BlockConfig, ClipError> {
        let stated = match self.activation {
            Some(activation) => Some(activation),
            None => stated_activation(self.checkpoint)?,
        };
        let tower = tower.map(|tower| tower.block);
        Ok(BlockConfig {
            activation: stated
                .or(tower.map(|block| block.activation))
                .unwrap_or(BlockConfig::OPEN_AI.activation),
            norm_epsilon: tower.map_or(NORM_EPSILON, |block| block.norm_epsilon),
        })
    }
}

/// The sizes of the tensors, with the settings of the header's metadata and of the configuration next to the weights.
///
/// # Errors
/// If the tensors are not those of a CLIP model, or the configuration does not fit them.
pub(crate) fn detect_config(evidence: &Evidence<'_>) -> Result<ClipConfig, ClipError> {
    let checkpoint = evidence.checkpoint;
    let heads = evidence.image().map(|tower| tower.heads);
    let (image_size, image) = if checkpoint.has("visual.proj") {
        transformer(checkpoint, heads)?
    } else if checkpoint.has("visual.attnpool.c_proj.weight") {
        resnet(checkpoint, heads)?
    } else if checkpoint.has("visual.head.weight") {
        efficient_net(checkpoint)?
    } else {
        let names = checkpoint.tensors.keys().chain(checkpoint.unread.keys());
        return Err(checkpoint.unknown(format!(
            "it has none of `visual.proj`, `visual.attnpool.c_proj.weight` and `visual.head.weight`; it has {}",
            described_names(names.collect())
        )));
    };
    let [_, embed_dim] = checkpoint.shape("text_projection")?;
    let text = text_with(checkpoint, evidence.text().map(|tower| tower.heads))?;
    if text.vocabulary != VOCABULARY {
        return Err(checkpoint.unknown(format!(
            "its vocabulary has {} tokens, and CLIP's tokenizer has {VOCABULARY}",
            text.vocabulary
        )));
    }
    let (mean, std) = evidence
        .config
        .map_or((None, None), |config| (config.mean, config.std));
    let config = ClipConfig {
        embed_dim,
        image_size: stated_image_size(evidence, image_size, image),
        image,
        towers: towers(checkpoint)?,
        text,
        image_block: evidence.block(evidence.image())?,
        text_block: evidence.block(evidence.text())?,
        mean: channels(checkpoint, "image_mean", mean.unwrap_or(CLIP_MEAN))?,
        std: channels(checkpoint, "image_std", std.unwrap_or(CLIP_STD))?,
    };
    if !config.std.iter().all(|&number| number > 0.0) {
        let std = config.std;
        return Err(checkpoint.unknown(format!(
            "the standard deviation of its pictures is {std:?}, which is not positive"
        )));
    }
    if let Some(stated) = evidence.config {
        stated.check_sizes(&checkpoint.file, &config)?;
    }
    Ok(config)
}

/// The image size of the configuration if it has as many whole patches as the tensors: the pixels after the
/// last patch of a row or a column are cut off.
fn stated_image_size(evidence: &Evidence<'_>, found: i64, image: ImageConfig) -> i64 {
    match (evidence.config.and_then(ModelConfig::image_size), image) {
        (Some(stated), ImageConfig::Transformer(size))
            if stated / size.patch == found / size.patch =>
        {
            stated
        }
        _ => found,
    }
}

/// How many image towers there are.
///
/// # Errors
/// When one is missing among them, or has other tensors than the first, whose sizes all of them have.
fn towers(checkpoint: &Checkpoint) -> Result<usize, ClipError> {
    let shapes = |tower| shapes(&checkpoint.tensors, &tower_branch(tower));
    let numbered = checkpoint.tensors.keys().filter_map(|name| {
        let (tower, _) = name.split_once('.')?;
        tower.strip_prefix("visual_")?.parse::<usize>().ok()
    });
    let count = numbered.fold(1, usize::max);
    let first = shapes(0);
    match (1..count).find(|&tower| shapes(tower) != first) {
        None => Ok(count),
        Some(tower) => Err(checkpoint.unknown(format!(
            "`{}` has not the same tensors as `visual`",
            tower_branch(tower)
        ))),
    }
}

/// The shapes of the tensors of a branch, by their names in it.
pub fn shapes<'a>(tensors: &'a BTreeMap<String, Tensor>, branch: &str) -> Vec<(&'a str, Vec<i64>)> {
    let own = tensors.iter().filter_map(|(name, tensor)| {
        let name = name.strip_prefix(branch)?.strip_prefix('.')?;
        Some((name, tensor.size()))
    });
    own.collect()
}

/// The prefix of the weights of an image tower, the first being number 0: `visual`, as in OpenAI's files, then
/// `visual_2` and so on.
pub fn tower_branch(tower: usize) -> String {
    match tower {
        0 => "visual".to_owned(),
        _ => format!("visual_{}", tower + 1),
    }
}

fn transformer(
    checkpoint: &Checkpoint,
    stated: Option<Heads>,
) -> Result<(i64, ImageConfig), ClipError> {
    let [width, _, patch, _] = checkpoint.shape("visual.conv1.weight")?;
    let [positions, _] = checkpoint.shape("visual.positional_embedding")?;
    let grid = square_root(positions - 1).ok_or_else(|| {
        checkpoint.unknown(format!(
            "{positions} positions are no square grid and a class"
        ))
    })?;
    let usual = if WIDTHS_OF_16_HEADS.contains(&width) {
        Heads::Count(16)
    } else {
        Heads::Width(HEAD_WIDTH)
    };
    let heads = heads(checkpoint, "vision_heads", width, stated.unwrap_or(usual))?;
    let layers = checkpoint.count("visual.transformer.resblocks.");
    Ok((
        grid * patch,
        ImageConfig::Transformer(TransformerSize {
            patch,
            width,
            heads,
            layers,
        }),
    ))
}

fn resnet(checkpoint: &Checkpoint, stated: Option<Heads>) -> Result<(i64, ImageConfig), ClipError> {
    let [width, ..] = checkpoint.shape::<4>("visual.layer1.0.conv1.weight")?;
    let [positions, _] = checkpoint.shape("visual.attnpool.positional_embedding")?;
    let grid = square_root(positions - 1).ok_or_else(|| {
        checkpoint.unknown(format!(
            "{positions} positions are no square grid and a mean"
        ))
    })?;
    let layers = [1, 2, 3, 4].map(|stage| checkpoint.count(&format!("visual.layer{stage}.")));
    let stated = stated.unwrap_or(Heads::Width(HEAD_WIDTH));
    let heads = heads(checkpoint, "vision_heads", width * RESNET_GROWTH, stated)?;
    Ok((
        grid * RESNET_REDUCTION,
        ImageConfig::ResNet(ResNetSize {
            width,
            heads,
            layers,
        }),
    ))
}

/// The shapes do not show where a stage begins or how large an image is; the header says it.
fn efficient_net(checkpoint: &Checkpoint) -> Result<(i64, ImageConfig), ClipError> {
    let [stem, ..] = checkpoint.shape::<4>("visual.stem.weight")?;
    let [head, ..] = checkpoint.shape::<4>("visual.head.weight")?;
    let layers: Vec<i64> = numbers(checkpoint, "vision_layers")?;
    let possible = 1..=checkpoint.tensors.len() as i64;
    let layers = match <[i64; 7]>::try_from(layers) {
        Ok(layers) if layers.iter().all(|count| possible.contains(count)) => layers,
        _ => return Err(checkpoint.unknown("its vision_layers are not seven numbers of blocks")),
    };
    let mut widths = [0; 7];
    let mut blocks = 0;
    for (width, count) in widths.iter_mut().zip(layers) {
        blocks += count;
        let last = format!("visual.blocks.{}.project.weight", blocks - 1);
        [*width, ..] = checkpoint.shape::<4>(&last)?;
    }
    let image_size: Vec<i64> = numbers(checkpoint, "image_side")?;
    let image_size = match *image_size.as_slice() {
        [size] if (1..=LARGEST_IMAGE).contains(&size) => size,
        _ => {
            return Err(checkpoint.unknown(format!(
                "its image_side is not one number from 1 to {LARGEST_IMAGE}"
            )));
        }
    };
    let size = EfficientNetSize {
        stem,
        layers,
        widths,
        head,
    };
    Ok((image_size, ImageConfig::EfficientNet(size)))
}

/// The sizes of the text tower.
///
/// # Errors
/// When its tensors are missing.
pub fn text(checkpoint: &Checkpoint) -> Result<TextConfig, ClipError> {
    text_with(checkpoint, None)
}

fn text_with(checkpoint: &Checkpoint, stated: Option<Heads>) -> Result<TextConfig, ClipError> {
    let [context, width] = checkpoint.shape("positional_embedding")?;
    let [vocabulary, _] = checkpoint.shape("token_embedding.weight")?;
    let stated = stated.unwrap_or(Heads::Width(HEAD_WIDTH));
    let heads = heads(checkpoint, "text_heads", width, stated)?;
    let layers = checkpoint.count("transformer.resblocks.");
    Ok(TextConfig {
        context,
        vocabulary,
        width,
        heads,
        layers,
    })
}

/// The number of heads in the header under `key`, else `otherwise`.
fn heads(
    checkpoint: &Checkpoint,
    key: &str,
    width: i64,
    otherwise: Heads,
) -> Result<i64, ClipError> {
    let heads = match checkpoint.metadata.get(key) {
        Some(value) => value.parse().unwrap_or(0),
        None => otherwise.count(width).max(1),
    };
    if heads < 1 || width % heads != 0 {
        let heads = counted(heads, "head", "heads");
        return Err(checkpoint.unknown(format!("width {width} is not divisible by {heads}")));
    }
    Ok(heads)
}

fn square_root(number: i64) -> Option<i64> {
    let root = (number.max(0) as f64).sqrt().round() as i64;
    (root > 0 && root * root == number).then_some(root)
}

/// The header's value, else OpenAI's.
///
/// # Errors
/// When the header's value is unknown.
pub fn activation(checkpoint: &Checkpoint) -> Result<Activation, ClipError> {
    Ok(stated_activation(checkpoint)?.unwrap_or(BlockConfig::OPEN_AI.activation))
}

fn stated_activation(checkpoint: &Checkpoint) -> Result<Option<Activation>, ClipError> {
    match checkpoint.metadata.get("activation").map(String::as_str) {
        Some("gelu") => Ok(Some(Activation::Gelu)),
        Some("quick_gelu") => Ok(Some(Activation::QuickGelu)),
        Some(other) => Err(checkpoint.unknown(format!(
            "its activation is `{other}`, not gelu or quick_gelu"
        ))),
        None => Ok(None),
    }
}

fn channels(checkpoint: &Checkpoint, key: &str, usual: [f32; 3]) -> Result<[f32; 3], ClipError> {
    let Some(value) = checkpoint.metadata.get(key) else {
        return Ok(usual);
    };
    let numbers = <[f32; 3]>::try_from(listed(value)).ok();
    let finite = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    finite.ok_or_else(|| {
        checkpoint.unknown(format!("its {key} is `{value}`, not three finite numbers"))
    })
}

/// The numbers that the header gives for this key.
fn numbers(checkpoint: &Checkpoint, key: &str) -> Result<Vec<i64>, ClipError> {
    let value = checkpoint.metadata.get(key);
    let value = value.ok_or_else(|| checkpoint.unknown(format!("its header has no {key}")))?;
    Ok(listed(value))
}

fn listed<T: FromStr>(text: &str) -> Vec<T> {
    let parts = text.split(',');
    parts.filter_map(|part| part.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn impossible_sizes_in_the_header_of_an_efficient_net_are_rejected() {
        let mut checkpoint = Checkpoint::new(Path::new("x"));
        let blocks = (0..7).map(|block| format!("visual.blocks.{block}.project.weight"));
        let ends = ["visual.stem.weight", "visual.head.weight"].map(str::to_owned);
        for name in blocks.chain(ends) {
            let tensor = Tensor::zeros([3, 1, 1, 1], (Kind::Float, Device::Cpu));
            checkpoint.tensors.insert(name, tensor);
        }
        let mut detected = |layers: &str, side: &str| {
            let metadata = [("vision_layers", layers), ("image_side", side)];
            checkpoint.metadata = metadata
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
            efficient_net(&checkpoint).map_err(|error| error.to_string())
        };
        let layers = "1,1,1,1,1,1,1";
        let (side, _) = detected(layers, "32").unwrap();
        assert_eq!(side, 32);
        for layers in [
            "0,1,1,1,1,1,1",
            "1,1,1,1,1,1,-9223372036854775808",
            "1,9223372036854775807,1,1,1,1,1",
            "1",
        ] {
            let error = detected(layers, "32").unwrap_err();
            assert!(
                error.ends_with("its vision_layers are not seven numbers of blocks"),
                "{error}"
            );
        }
        for side in ["0", "-32", "4097", "9223372036854775807", "32,32", "x"] {
            let error = detected(layers, side).unwrap_err();
            assert!(
                error.ends_with("its image_side is not one number from 1 to 4096"),
                "{error}"
            );
        }
    }
}
