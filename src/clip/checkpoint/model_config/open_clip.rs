//! `open_clip`'s `open_clip_config.json`. Its keys and their defaults are those of `CLIPVisionCfg` and `CLIPTextCfg`
//! (`mlfoundations/open_clip`, model.py).

use serde_json::Value;

use super::document::{Document, Section};
use super::settings::{Heads, ModelConfig, Size, TowerConfig};
use crate::clip::config::{Activation, BlockConfig, END_TOKEN, HEAD_WIDTH, NORM_EPSILON};
use crate::clip::error::ClipError;

/// The file's name.
pub(super) const FILE: &str = "open_clip_config.json";

/// Default number of attention heads of the text tower.
const TEXT_HEADS: i64 = 8;

/// Keys outside the two towers whose values do not change an embedding, or are read elsewhere.
const MODEL_KEYS: [&str; 10] = [
    "embed_dim",
    "vision_cfg",
    "text_cfg",
    "quick_gelu",
    "custom_text",
    "init_logit_scale",
    "init_logit_bias",
    "nonscalar_logit_scale",
    "cast_dtype",
    "output_dict",
];

/// Keys of the image tower whose values are read, or follow from the tensors, or matter only in training or
/// together with another key that is rejected. The last norm is the same before and after the class token is
/// taken.
const VISION_KEYS: [&str; 21] = [
    "layers",
    "width",
    "head_width",
    "mlp_ratio",
    "patch_size",
    "image_size",
    "ls_init_value",
    "patch_dropout",
    "attn_pooler_queries",
    "attn_pooler_heads",
    "pos_embed_type",
    "final_ln_after_pool",
    "output_tokens",
    "act_kwargs",
    "norm_kwargs",
    "timm_model_pretrained",
    "timm_pool",
    "timm_proj",
    "timm_proj_bias",
    "timm_drop",
    "timm_drop_path",
];

/// The same for the text tower. No token attends to the padding after it.
const TEXT_KEYS: [&str; 16] = [
    "context_length",
    "vocab_size",
    "width",
    "heads",
    "layers",
    "mlp_ratio",
    "ls_init_value",
    "pad_id",
    "eos_id",
    "final_ln_after_pool",
    "output_tokens",
    "act_kwargs",
    "norm_kwargs",
    "hf_model_pretrained",
    "hf_proj_type",
    "hf_pooler_type",
];

/// Keys of both towers, and the only supported value of each.
fn tower_values() -> [(&'static str, Value); 7] {
    [
        ("block_type", "default".into()),
        ("qk_norm", false.into()),
        ("scaled_cosine_attn", false.into()),
        ("scale_heads", false.into()),
        ("scale_attn_inner", false.into()),
        ("scale_attn", false.into()),
        ("scale_fc", false.into()),
    ]
}

/// Reads the configuration of a model.
pub(super) fn read(document: &Document) -> Result<ModelConfig, ClipError> {
    let root = document.root();
    let model = root.section("model_cfg");
    let model = model.ok_or_else(|| root.unsupported("model_cfg", "it has to be an object"))?;
    let mut config = ModelConfig::default();
    check_keys(&model, &MODEL_KEYS, &[])?;
    let activation = match model.boolean("quick_gelu")? {
        Some(true) => Activation::QuickGelu,
        Some(false) | None => Activation::Gelu,
    };
    model.state(&mut config, "embed_dim", Size::Embedding)?;
    let vision = model
        .section("vision_cfg")
        .unwrap_or_else(|| model.empty("vision_cfg"));
    let text = model
        .section("text_cfg")
        .unwrap_or_else(|| model.empty("text_cfg"));
    config.image = Some(read_vision(&vision, activation, &mut config)?);
    config.text = Some(read_text(&text, activation, &mut config)?);
    if let Some(preprocess) = root.section("preprocess_cfg") {
        config.mean = preprocess.channels("mean")?;
        config.std = preprocess.channels("std")?;
        preprocess.require("mode", "RGB")?;
        preprocess.state(&mut config, "size", Size::Image)?;
    }
    Ok(config)
}

fn read_vision(
    vision: &Section<'_>,
    activation: Activation,
    config: &mut ModelConfig,
) -> Result<TowerConfig, ClipError> {
    if vision.value("timm_model_name").is_some() {
        return Err(vision.unsupported("timm_model_name", "image towers of timm are not supported"));
    }
    let values = [
        ("attentional_pool", false.into()),
        ("no_ln_pre", false.into()),
        ("pool_type", "tok".into()),
    ];
    check_keys(
        vision,
        &VISION_KEYS,
        &[&values[..], &tower_values()[..]].concat(),
    )?;
    vision.state(config, "image_size", Size::Image)?;
    vision.state(config, "patch_size", Size::Patch)?;
    vision.state(config, "width", Size::ImageWidth)?;
    // ResNets have a list, which follows from the names of the tensors.
    if vision.value("layers").is_some_and(Value::is_number) {
        vision.state(config, "layers", Size::ImageLayers)?;
    }
    Ok(TowerConfig {
        heads: Heads::Width(vision.integer("head_width")?.unwrap_or(HEAD_WIDTH)),
        block: block(vision, activation)?,
    })
}

fn read_text(
    text: &Section<'_>,
    activation: Activation,
    config: &mut ModelConfig,
) -> Result<TowerConfig, ClipError> {
    if text.value("hf_model_name").is_some() {
        return Err(text.unsupported(
            "hf_model_name",
            "text towers of transformers are not supported",
        ));
    }
    for key in ["hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs"] {
        let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        if text.value(key).is_some_and(|value| !empty(value)) {
            return Err(text.unsupported(key, "only CLIP's own tokenizer is supported"));
        }
    }
    let pool = match text.value("pool_type").and_then(Value::as_str) {
        // The end token has the highest id, so both select the same token.
        Some("eos") if text.integer("eos_id")? == Some(END_TOKEN) => "eos",
        _ => "argmax",
    };
    let values = [
        ("pool_type", pool.into()),
        ("no_causal_mask", false.into()),
        ("embed_cls", false.into()),
        ("proj_type", "linear".into()),
        ("proj_bias", false.into()),
        ("hf_tokenizer_name", Value::Null),
        ("tokenizer_mode", Value::Null),
        ("tokenizer_kwargs", Value::Object(serde_json::Map::new())),
    ];
    check_keys(
        text,
        &TEXT_KEYS,
        &[&values[..], &tower_values()[..]].concat(),
    )?;
    text.state(config, "context_length", Size::Context)?;
    text.state(config, "vocab_size", Size::Vocabulary)?;
    text.state(config, "width", Size::TextWidth)?;
    text.state(config, "layers", Size::TextLayers)?;
    Ok(TowerConfig {
        heads: Heads::Count(text.integer("heads")?.unwrap_or(TEXT_HEADS)),
        block: block(text, activation)?,
    })
}

/// Rejects keys that are neither in `free` nor have their value in `fixed`.
fn check_keys(
    section: &Section<'_>,
    free: &[&str],
    fixed: &[(&str, Value)],
) -> Result<(), ClipError> {
    for key in section.keys().filter(|key| !free.contains(key)) {
        match fixed.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => section.require(key, value.clone())?,
            None if section
                .value(key)
                .is_some_and(|value| *value != Value::Bool(false)) =>
            {
                return Err(section.unsupported(key, "no such setting is known"));
            }
            None => {}
        }
    }
    Ok(())
}

fn block(section: &Section<'_>, activation: Activation) -> Result<BlockConfig, ClipError> {
    if let Some(arguments) = section.section("act_kwargs") {
        for key in arguments.keys() {
            arguments.require(key, "none")?;
        }
    }
    let mut norm_epsilon = NORM_EPSILON;
    if let Some(arguments) = section.section("norm_kwargs") {
        for key in arguments.keys().filter(|key| *key != "eps") {
            arguments.require(key, true)?;
        }
        norm_epsilon = arguments.number("eps")?.unwrap_or(NORM_EPSILON);
    }
    Ok(BlockConfig {
        activation,
        norm_epsilon,
    })
}
