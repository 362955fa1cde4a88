//! Renames the tensors of a Hugging Face `CLIPModel` to OpenAI's names.

use std::collections::BTreeMap;

use tch::{TchError, Tensor};

use super::tensors::{Checkpoint, Layout};

/// A tensor that every `CLIPModel` has and no other layout.
const MARK: &str = "vision_model.embeddings.class_embedding";

/// Whole names that differ.
const NAMES: [(&str, &str); 8] = [
    (
        "vision_model.embeddings.class_embedding",
        "visual.class_embedding",
    ),
    (
        "vision_model.embeddings.patch_embedding.weight",
        "visual.conv1.weight",
    ),
    (
        "vision_model.embeddings.position_embedding.weight",
        "visual.positional_embedding",
    ),
    (
        "text_model.embeddings.token_embedding.weight",
        "token_embedding.weight",
    ),
    (
        "text_model.embeddings.position_embedding.weight",
        "positional_embedding",
    ),
    (
        "text_model.embeddings.position_embedding_res.weight",
        "positional_embedding_res",
    ),
    ("visual_projection.weight", "visual.proj"),
    ("text_projection.weight", "text_projection"),
];

/// Beginnings that differ.
const PREFIXES: [(&str, &str); 5] = [
    // The misspelling is Hugging Face's.
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("text_model.final_layer_norm.", "ln_final."),
    (
        "vision_model.encoder.layers.",
        "visual.transformer.resblocks.",
    ),
    ("text_model.encoder.layers.", "transformer.resblocks."),
];

/// Parts inside a block that differ.
const PARTS: [(&str, &str); 5] = [
    (".self_attn.out_proj.", ".attn.out_proj."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
];

/// Whether these are the names of Hugging Face's layout.
pub(crate) fn recognizes(checkpoint: &Checkpoint) -> bool {
    checkpoint.has(MARK)
}

/// Gives the tensors OpenAI's names: queries, keys and values are joined, projections transposed.
///
/// # Errors
/// When queries, keys and values do not fit together.
pub(crate) fn rename(checkpoint: &mut Checkpoint) -> Result<(), TchError> {
    checkpoint.layout = Layout::HuggingFace;
    checkpoint.tensors = renamed(&checkpoint.tensors)?;
    checkpoint.unread = with_new_names(std::mem::take(&mut checkpoint.unread));
    checkpoint.file_names = with_new_names(std::mem::take(&mut checkpoint.file_names));
    Ok(())
}

fn with_new_names<T>(named: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let named = named.into_iter();
    named
        .map(|(name, value)| (joined_name(&name), value))
        .collect()
}

fn renamed(tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, TchError> {
    let mut renamed = BTreeMap::new();
    for (name, tensor) in tensors {
        let Some((block, part, kind)) = attention_part(name) else {
            let projection = name.ends_with("_projection.weight") && tensor.dim() == 2;
            let tensor = if projection {
                tensor.f_tr()?
            } else {
                tensor.shallow_clone()
            };
            renamed.insert(new_name(name), tensor);
            continue;
        };
        let of = |part: char| tensors.get(&format!("{block}.self_attn.{part}_proj.{kind}"));
        if let (Some(queries), Some(keys), Some(values)) = (of('q'), of('k'), of('v')) {
            if part == 'q' {
                let joined = Tensor::f_cat(&[queries, keys, values], 0)?;
                renamed.insert(joined_name(name), joined);
            }
        } else {
            // One of the three is missing. The others keep their names, so that they are reported.
            renamed.insert(name.clone(), tensor.shallow_clone());
        }
    }
    Ok(renamed)
}

/// Block, `q`, `k` or `v`, and `weight` or `bias` of a part of an attention layer.
fn attention_part(name: &str) -> Option<(&str, char, &str)> {
    let (block, rest) = name.split_once(".self_attn.")?;
    let (part, kind) = rest.split_once("_proj.")?;
    match part {
        "q" => Some((block, 'q', kind)),
        "k" => Some((block, 'k', kind)),
        "v" => Some((block, 'v', kind)),
        _ => None,
    }
}

/// A name in OpenAI's layout, where an attention layer has queries, keys and values in one tensor.
fn joined_name(name: &str) -> String {
    match attention_part(name) {
        Some((block, _, kind)) => format!("{}.attn.in_proj_{kind}", new_name(block)),
        None => new_name(name),
    }
}

fn new_name(name: &str) -> String {
    if let Some((_, new)) = NAMES.iter().find(|(old, _)| *old == name) {
        return (*new).to_owned();
    }
    let mut new = name.to_owned();
    for (old, ours) in PREFIXES {
        if let Some(rest) = name.strip_prefix(old) {
            new = format!("{ours}{rest}");
        }
    }
    for (old, ours) in PARTS {
        new = new.replace(old, ours);
    }
    new
}
