//! Finds a model's sizes in the shapes of its tensors, by OpenAI's own rules (openai/CLIP, model.py, `build_model`).

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde_json::Value;
use tch::Tensor;

use super::Checkpoint;
use crate::clip::config::{
    Activation, CLIP_MEAN, CLIP_STD, ClipConfig, EfficientNetSize, HEAD_WIDTH, ImageConfig,
    ResNetSize, TextConfig, TransformerSize,
};
use crate::clip::error::ClipError;

/// How much smaller a ModifiedResNet's last map is than its picture.
const RESNET_REDUCTION: i64 = 32;
/// Channels of a ModifiedResNet's last map for each channel after its stem.
pub(crate) const RESNET_GROWTH: i64 = 32;

/// The sizes that the tensors have, completed by the header's metadata and the files beside the weights.
///
/// # Errors
/// When the tensors are not those of a CLIP model.
pub(crate) fn detect_config(checkpoint: &Checkpoint) -> Result<ClipConfig, ClipError> {
    let (image_size, image) = if checkpoint.tensors.contains_key("visual.proj") {
        transformer(checkpoint)?
    } else if checkpoint
        .tensors
        .contains_key("visual.attnpool.c_proj.weight")
    {
        resnet(checkpoint)?
    } else if checkpoint.tensors.contains_key("visual.head.weight") {
        efficient_net(checkpoint)?
    } else {
        return Err(checkpoint.unknown(
            "it has none of `visual.proj`, `visual.attnpool.c_proj.weight` and `visual.head.weight`",
        ));
    };
    let [_, embed_dim] = checkpoint.shape("text_projection")?;
    Ok(ClipConfig {
        embed_dim,
        image_size,
        image,
        towers: towers(checkpoint)?,
        text: text(checkpoint)?,
        activation: activation(checkpoint)?,
        mean: channels(checkpoint, "image_mean", CLIP_MEAN)?,
        std: channels(checkpoint, "image_std", CLIP_STD)?,
    })
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

fn transformer(checkpoint: &Checkpoint) -> Result<(i64, ImageConfig), ClipError> {
    let [width, _, patch, _] = checkpoint.shape("visual.conv1.weight")?;
    let [positions, _] = checkpoint.shape("visual.positional_embedding")?;
    let grid = square_root(positions - 1).ok_or_else(|| {
        checkpoint.unknown(format!(
            "{positions} positions are no square grid and a class"
        ))
    })?;
    let heads = heads(checkpoint, "vision_heads", width)?;
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

fn resnet(checkpoint: &Checkpoint) -> Result<(i64, ImageConfig), ClipError> {
    let [width, ..] = checkpoint.shape::<4>("visual.layer1.0.conv1.weight")?;
    let [positions, _] = checkpoint.shape("visual.attnpool.positional_embedding")?;
    let grid = square_root(positions - 1).ok_or_else(|| {
        checkpoint.unknown(format!(
            "{positions} positions are no square grid and a mean"
        ))
    })?;
    let layers = [1, 2, 3, 4].map(|stage| checkpoint.count(&format!("visual.layer{stage}.")));
    let heads = heads(checkpoint, "vision_heads", width * RESNET_GROWTH)?;
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
    let Ok(layers) = <[i64; 7]>::try_from(layers) else {
        return Err(checkpoint.unknown("its vision_layers are not seven numbers"));
    };
    let mut widths = [0; 7];
    let mut blocks = 0;
    for (width, count) in widths.iter_mut().zip(layers) {
        blocks += count;
        let last = format!("visual.blocks.{}.project.weight", blocks - 1);
        [*width, ..] = checkpoint.shape::<4>(&last)?;
    }
    let image_size: Vec<i64> = numbers(checkpoint, "image_side")?;
    let &[image_size] = image_size.as_slice() else {
        return Err(checkpoint.unknown("its image_side is not one number"));
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
    let [context, width] = checkpoint.shape("positional_embedding")?;
    let [vocabulary, _] = checkpoint.shape("token_embedding.weight")?;
    let heads = heads(checkpoint, "text_heads", width)?;
    let layers = checkpoint.count("transformer.resblocks.");
    Ok(TextConfig {
        context,
        vocabulary,
        width,
        heads,
        layers,
    })
}

fn heads(checkpoint: &Checkpoint, key: &str, width: i64) -> Result<i64, ClipError> {
    let heads = match checkpoint.metadata.get(key) {
        Some(value) => value.parse().unwrap_or(0),
        None => (width / HEAD_WIDTH).max(1),
    };
    if heads < 1 || width % heads != 0 {
        return Err(checkpoint.unknown(format!("width {width} is not divisible by {heads} heads")));
    }
    Ok(heads)
}

fn square_root(number: i64) -> Option<i64> {
    let root = (number.max(0) as f64).sqrt().round() as i64;
    (root > 0 && root * root == number).then_some(root)
}

/// The header's value, else that of a configuration beside the file, else OpenAI's default.
///
/// # Errors
/// When the header's value is unknown.
pub fn activation(checkpoint: &Checkpoint) -> Result<Activation, ClipError> {
    match checkpoint.metadata.get("activation").map(String::as_str) {
        Some("gelu") => Ok(Activation::Gelu),
        Some("quick_gelu") => Ok(Activation::QuickGelu),
        Some(other) => Err(checkpoint.unknown(format!(
            "its activation is `{other}`, not gelu or quick_gelu"
        ))),
        None => Ok(activation_beside(&checkpoint.file).unwrap_or(Activation::QuickGelu)),
    }
}

/// `open_clip` and Hugging Face keep the activation in a file beside the weights.
fn activation_beside(weights: &Path) -> Option<Activation> {
    let read = |name: &str| -> Option<Value> {
        let text = std::fs::read_to_string(weights.with_file_name(name)).ok()?;
        serde_json::from_str(&text).ok()
    };
    if let Some(model) =
        read("open_clip_config.json").and_then(|config| config.get("model_cfg").cloned())
    {
        let quick = model
            .get("quick_gelu")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        return Some(if quick {
            Activation::QuickGelu
        } else {
            Activation::Gelu
        });
    }
    match read("config.json")?
        .pointer("/vision_config/hidden_act")?
        .as_str()?
    {
        "gelu" => Some(Activation::Gelu),
        "quick_gelu" => Some(Activation::QuickGelu),
        _ => None,
    }
}

fn channels(checkpoint: &Checkpoint, key: &str, usual: [f32; 3]) -> Result<[f32; 3], ClipError> {
    let Some(value) = checkpoint.metadata.get(key) else {
        return Ok(usual);
    };
    <[f32; 3]>::try_from(listed(value))
        .map_err(|_| checkpoint.unknown(format!("its {key} is `{value}`, not three numbers")))
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
