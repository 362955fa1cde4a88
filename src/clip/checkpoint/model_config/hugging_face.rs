//! Hugging Face's `config.json` and `preprocessor_config.json`. Keys and defaults are those of `CLIPVisionConfig`,
//! `CLIPTextConfig` and `CLIPImageProcessor` (huggingface/transformers, models/clip).

use serde_json::Value;

use super::document::{Document, Section};
use super::settings::{Heads, ModelConfig, Size, TowerConfig};
use crate::clip::config::{Activation, BlockConfig, END_TOKEN, NORM_EPSILON};
use crate::clip::error::ClipError;

/// The file's name.
pub(super) const FILE: &str = "config.json";
/// The files that may contain the preprocessing of pictures, and the object with it.
pub(super) const PREPROCESSOR_FILES: [(&str, &str); 2] = [
    ("preprocessor_config.json", ""),
    ("processor_config.json", "image_processor"),
];

/// The end token in old configurations, which transformers replaces with the right one.
const OLD_END_TOKEN: i64 = 2;
/// Default numbers of attention heads.
const VISION_HEADS: i64 = 12;
const TEXT_HEADS: i64 = 8;
/// The factor by which transformers multiplies pixel values from 0 to 255.
const RESCALE_FACTOR: f64 = 1.0 / 255.0;

/// Whether the file belongs to transformers, and not to another library that uses the same file name.
pub(super) fn recognizes(document: &Document) -> bool {
    let keys = ["model_type", "vision_config", "text_config"];
    keys.iter().any(|key| document.has(key))
}

/// Reads the configuration of a model.
pub(super) fn read(document: &Document) -> Result<ModelConfig, ClipError> {
    let root = document.root();
    root.require("model_type", "clip")?;
    let mut config = ModelConfig::default();
    root.state(&mut config, "projection_dim", Size::Embedding)?;
    let vision = tower(&root, "vision_config");
    vision.require("model_type", "clip_vision_model")?;
    vision.require("num_channels", 3)?;
    vision.state(&mut config, "image_size", Size::Image)?;
    vision.state(&mut config, "patch_size", Size::Patch)?;
    vision.state(&mut config, "hidden_size", Size::ImageWidth)?;
    vision.state(&mut config, "num_hidden_layers", Size::ImageLayers)?;
    config.image = Some(tower_config(&vision, VISION_HEADS)?);
    let text = tower(&root, "text_config");
    text.require("model_type", "clip_text_model")?;
    match text.integer("eos_token_id")? {
        None | Some(OLD_END_TOKEN | END_TOKEN) => {}
        Some(_) => {
            let expected = format!("only {END_TOKEN} is supported");
            return Err(text.unsupported("eos_token_id", expected));
        }
    }
    text.state(&mut config, "max_position_embeddings", Size::Context)?;
    text.state(&mut config, "vocab_size", Size::Vocabulary)?;
    text.state(&mut config, "hidden_size", Size::TextWidth)?;
    text.state(&mut config, "num_hidden_layers", Size::TextLayers)?;
    config.text = Some(tower_config(&text, TEXT_HEADS)?);
    Ok(config)
}

/// The object of a tower. Old files have a second one, with `_dict` after its name. As in transformers
/// (`CLIPConfig`), it takes the place of the first: what it leaves out has its default value.
fn tower<'a>(root: &Section<'a>, name: &str) -> Section<'a> {
    let section = root.section(&format!("{name}_dict"));
    let section = section.or_else(|| root.section(name));
    section.unwrap_or_else(|| root.empty(name))
}

fn tower_config(tower: &Section<'_>, usual_heads: i64) -> Result<TowerConfig, ClipError> {
    let activation = match tower.value("hidden_act").map(Value::as_str) {
        None | Some(Some("quick_gelu")) => Activation::QuickGelu,
        Some(Some("gelu" | "gelu_python")) => Activation::Gelu,
        Some(_) => {
            let expected = "only quick_gelu and gelu are supported";
            return Err(tower.unsupported("hidden_act", expected));
        }
    };
    Ok(TowerConfig {
        heads: Heads::Count(tower.integer("num_attention_heads")?.unwrap_or(usual_heads)),
        block: BlockConfig {
            activation,
            norm_epsilon: tower.number("layer_norm_eps")?.unwrap_or(NORM_EPSILON),
        },
    })
}

/// Reads the preprocessing of pictures. The resizing does not matter, because views have the model's size.
pub(super) fn read_preprocessor(
    preprocessor: &Section<'_>,
    config: &mut ModelConfig,
) -> Result<(), ClipError> {
    preprocessor.require("do_rescale", true)?;
    let factor = preprocessor.number("rescale_factor")?;
    if factor.is_some_and(|factor| (factor / RESCALE_FACTOR - 1.0).abs() > 1e-4) {
        return Err(preprocessor.unsupported("rescale_factor", "only 1/255 is supported"));
    }
    if preprocessor.boolean("do_normalize")? == Some(false) {
        (config.mean, config.std) = (Some([0.0; 3]), Some([1.0; 3]));
    } else {
        config.mean = preprocessor.channels("image_mean")?;
        config.std = preprocessor.channels("image_std")?;
    }
    if preprocessor.boolean("do_center_crop")? == Some(false) {
        return Ok(());
    }
    match preprocessor.section("crop_size") {
        Some(sides) => {
            sides.state(config, "height", Size::Image)?;
            sides.state(config, "width", Size::Image)
        }
        None => preprocessor.state(config, "crop_size", Size::Image),
    }
}
