//! Finds a model among the named tensors of a file, at any depth and among other contents.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter;

use super::source::TensorSource;

/// Parts of names that are added when a module is wrapped, and are ignored: by `DataParallel` and its
/// successors, by `torch.compile`, by activation checkpointing, and in the dictionaries of a pickled module.
const WRAPPERS: [&str; 8] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_modules",
    "_parameters",
    "_buffers",
];

/// Tensors that only an image tower has; a model is found by one of these.
const IMAGE_MARKS: [&str; 8] = [
    "visual.conv1.weight",
    "visual.class_embedding",
    "visual.positional_embedding",
    "visual.proj",
    "visual.attnpool.c_proj.weight",
    "visual.stem.weight",
    "visual.head.weight",
    "vision_model.embeddings.class_embedding",
];

/// A tensor that only a text tower has, and the prefixes before its name in some layouts.
const TEXT_MARK: &str = "token_embedding.weight";
const TEXT_FOLDERS: [&str; 2] = ["text_model.embeddings.", "text."];

/// The last part of the name of a tensor that only an image tower has. Without its usual prefix it does not say where
/// the tower begins.
const IMAGE_PART: &str = "class_embedding";

/// The prefix of the text tower in `open_clip`'s `CustomTextCLIP`.
const CUSTOM_TEXT: &str = "text.";

/// First parts of the names in a model, in OpenAI's layout and in Hugging Face's.
const MODEL_PARTS: [&str; 9] = [
    "visual",
    "transformer",
    "token_embedding",
    "positional_embedding",
    "ln_final",
    "text_projection",
    "vision_model",
    "text_model",
    "visual_projection",
];

/// Parts of the names of `LoRA` adapters in PEFT, and of the weights that they change.
const ADAPTER_PARTS: [&str; 2] = [".lora_", ".base_layer."];

/// Tensors of a model that embeddings do not depend on. In attention layers, tensors with these names are
/// not harmless.
const HARMLESS: [&str; 2] = ["logit_scale", "logit_bias"];
/// The same, as last parts of names anywhere: OpenAI's archives have the causal mask in every block.
const HARMLESS_PARTS: [&str; 3] = ["attn_mask", "position_ids", "num_batches_tracked"];

/// Parts of the names of the training state that is saved with a model.
const TRAINING_STATE: [&str; 5] = ["optimizer", "scheduler", "scaler", "callbacks", "rng_state"];
/// The same, as whole parts of names.
const TRAINING_PARTS: [&str; 3] = ["optim", "opt", "sched"];
/// Last parts of the names of an optimizer's state for each parameter.
const OPTIMIZER_STATE: [&str; 5] = [
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "momentum_buffer",
    "square_avg",
];

/// The maximum number of prefixes under which the same model is recognized, and that an error lists.
const MAX_PLACES: usize = 8;

/// A model's tensors among those of a file.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// From names in the model to names in the file.
    pub(crate) names: BTreeMap<String, String>,
    /// Names in the file of tensors outside of the model that are not known training state.
    pub(crate) beside: Vec<String>,
}

/// Why no model was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotLocated {
    /// No tensor has the name of a tensor of a CLIP model.
    NoModel,
    /// There are several, with these prefixes.
    SeveralModels(Vec<String>),
    /// There is only an image tower, which has the tensor with this name.
    OnlyImage(String),
    /// There is only a text tower, which has the tensor with this name.
    OnlyText(String),
    /// There are adapters that are not merged into the weights, as the tensor with this name shows.
    Adapters(String),
}

/// Finds the one model in a file. Of several names of one tensor, those that do not belong to the model are ignored.
///
/// # Errors
/// When there is none, only a part of one, or more than one.
pub(crate) fn locate(source: &dyn TensorSource) -> Result<Located, NotLocated> {
    let entries = source.entries();
    let is_adapter = |name: &&String| ADAPTER_PARTS.iter().any(|part| name.contains(part));
    if let Some(adapter) = entries.keys().find(is_adapter) {
        return Err(NotLocated::Adapters(adapter.clone()));
    }
    let mut clean: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in entries.keys() {
        clean.entry(without_wrappers(name)).or_default().push(name);
    }
    let roots = find_roots(source, &clean)?;
    let mut located = Located::default();
    let mut others = Vec::new();
    for (name, originals) in &clean {
        let [original, doubles @ ..] = originals.as_slice() else {
            continue;
        };
        if let Some(copy) = doubles.iter().find(|copy| !source.is_same(original, copy)) {
            return Err(several(&[original, copy]));
        }
        let inside = roots
            .iter()
            .find_map(|root| name.strip_prefix(root.as_str()));
        let inside = inside.map(|name| name.strip_prefix(CUSTOM_TEXT).unwrap_or(name));
        let name = inside.unwrap_or(name);
        let is_harmless = HARMLESS.contains(&name) || HARMLESS_PARTS.contains(&last_part(name));
        if is_harmless || is_training_state(name) {
            continue;
        }
        match inside {
            Some(inside) if MODEL_PARTS.contains(&first_part(inside)) => {
                located.insert(inside, original)?;
            }
            _ => others.push((inside, *original)),
        }
    }
    let known: Vec<String> = located.names.values().cloned().collect();
    others.retain(|(_, other)| !known.iter().any(|known| source.is_same(known, other)));
    for (inside, original) in others {
        if let Some(inside) = inside {
            located.insert(inside, original)?;
        } else if !HARMLESS.contains(&last_part(original)) && !entries[original].is_scalar() {
            located.beside.push(original.to_owned());
        }
    }
    Ok(located)
}

impl Located {
    fn insert(&mut self, name: &str, original: &str) -> Result<(), NotLocated> {
        let known = self.names.insert(name.to_owned(), original.to_owned());
        match known {
            Some(known) => Err(several(&[&known, original])),
            None => Ok(()),
        }
    }
}

/// The most informative names of a file, as the end of a sentence that begins with `it has`.
pub(crate) fn described_names(mut names: Vec<&String>) -> String {
    /// The number of names in the sentence.
    const LISTED: usize = 3;
    let tells_little = |name: &&String| {
        let parts = ["visual", "vision", "text", "token", "clip"];
        !parts.iter().any(|part| name.contains(part))
    };
    names.sort_by_key(tells_little);
    let listed = names.iter().take(LISTED).map(|name| format!("`{name}`"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        _ if listed.is_empty() => "no tensors".to_owned(),
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// The prefixes of the model's names, the longest first: one for both towers, or one for each.
fn find_roots(
    source: &dyn TensorSource,
    clean: &BTreeMap<String, Vec<&str>>,
) -> Result<Vec<String>, NotLocated> {
    // From prefixes to the names of tensors behind them.
    let mut image = BTreeMap::new();
    let mut text = BTreeMap::new();
    let names = clean.keys().filter(|name| !is_training_state(name));
    for name in names.map(String::as_str) {
        let marks = IMAGE_MARKS.iter().filter_map(|mark| before(name, mark));
        image.extend(marks.map(|prefix| (prefix, name)));
        if let Some(place) = before(name, TEXT_MARK) {
            let folders = TEXT_FOLDERS.iter();
            let folders = folders.filter_map(|folder| before(place, folder));
            text.extend(folders.chain([place]).map(|prefix| (prefix, name)));
        }
    }
    let file_name = |name: &str| clean[name][0].to_owned();
    let Some((text_prefix, text_name)) = text.first_key_value() else {
        let mut names = clean.keys().map(String::as_str);
        let part = image.values().copied().next();
        let part = part.or_else(|| names.find(|name| last_part(name) == IMAGE_PART));
        return Err(part.map_or(NotLocated::NoModel, |name| {
            NotLocated::OnlyImage(file_name(name))
        }));
    };
    let both: Vec<&str> = image
        .keys()
        .filter(|prefix| text.contains_key(*prefix))
        .copied()
        .collect();
    // Without a common prefix the towers have one each. A text tower below one of the folders is found with two
    // prefixes, with the folder and without.
    let (places, text) = if both.is_empty() {
        (image.keys().copied().collect(), Some(*text_prefix))
    } else {
        (both, None)
    };
    let [first, copies @ ..] = places.as_slice() else {
        return Err(NotLocated::OnlyText(file_name(text_name)));
    };
    let is_copy = |other: &&str| are_copies(source, clean, first, other);
    if places.len() > MAX_PLACES || !copies.iter().all(is_copy) {
        return Err(several(&places));
    }
    let roots = iter::once(*first).chain(text);
    let mut roots: Vec<String> = roots.map(str::to_owned).collect();
    roots.sort_by_key(|root| Reverse(root.len()));
    Ok(roots)
}

fn several(places: &[&str]) -> NotLocated {
    let places = places.iter().take(MAX_PLACES);
    NotLocated::SeveralModels(places.map(|&place| place.to_owned()).collect())
}

/// Whether two prefixes have the same tensors.
fn are_copies(
    source: &dyn TensorSource,
    clean: &BTreeMap<String, Vec<&str>>,
    first: &str,
    second: &str,
) -> bool {
    let mut inside = clean
        .iter()
        .filter_map(|(name, originals)| Some((name.strip_prefix(first)?, originals)));
    inside.all(|(name, originals)| {
        let other = clean.get(&format!("{second}{name}"));
        other.is_none_or(|others| source.is_same(originals[0], others[0]))
    })
}

/// The prefix before the last parts of a name.
fn before<'a>(name: &'a str, parts: &str) -> Option<&'a str> {
    name.strip_suffix(parts)
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
}

fn without_wrappers(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn is_training_state(name: &str) -> bool {
    let lower = name.to_lowercase();
    let state = |part: &str| {
        let contained = TRAINING_STATE.iter().any(|state| part.contains(state));
        contained || TRAINING_PARTS.contains(&part)
    };
    lower.split('.').any(state) || OPTIMIZER_STATE.contains(&last_part(name))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::clip::checkpoint::source::{Listed, Numbers};

    #[test]
    fn an_error_lists_only_some_of_very_many_models() {
        let names: Vec<String> = (0..1000)
            .flat_map(|index| ["visual.proj", TEXT_MARK].map(|mark| format!("{index:03}.{mark}")))
            .collect();
        let tensors = names.iter().map(|name| (name.as_str(), &[1, 1][..]));
        let source = Listed::new(&Numbers::Float(Kind::Half), tensors);
        let places = (0..MAX_PLACES).map(|index| format!("{index:03}."));
        let expected = NotLocated::SeveralModels(places.collect());
        assert_eq!(locate(&source).unwrap_err(), expected);
    }
}
