//! Renames the tensors of a Hugging Face `CLIPModel` to OpenAI's names.

use std::collections::BTreeMap;

use tch::{TchError, Tensor};

/// A tensor that every `CLIPModel` has and no other layout.
const MARK: &str = "vision_model.embeddings.class_embedding";

/// Whole names that differ.
const NAMES: [(&str, &str); 7] = [
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
pub(crate) fn recognises(tensors: &BTreeMap<String, Tensor>) -> bool {
    tensors.contains_key(MARK)
}

/// The same tensors under OpenAI's names: queries, keys and values joined, projections transposed.
///
/// # Errors
/// When queries, keys and values do not fit together.
pub(crate) fn rename(
    tensors: &BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>, TchError> {
    let mut renamed = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((block, kind)) = name.split_once(".self_attn.q_proj.") {
            let of = |part: &str| tensors.get(&format!("{block}.self_attn.{part}_proj.{kind}"));
            if let (Some(keys), Some(values)) = (of("k"), of("v")) {
                let joined = Tensor::f_cat(&[tensor, keys, values], 0)?;
                renamed.insert(format!("{}.attn.in_proj_{kind}", new_name(block)), joined);
            }
        } else if name.ends_with("_projection.weight") && tensor.dim() == 2 {
            renamed.insert(new_name(name), tensor.f_tr()?);
        } else {
            renamed.insert(new_name(name), tensor.shallow_clone());
        }
    }
    Ok(renamed)
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
