//! Finds a model among the named tensors of a file, at any depth and among other contents.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::iter;

use super::selection::{Selection, prefixes};
use super::source::TensorSource;

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
    /// The prefix of the model's names; `None` if there is none, or each tower has its own.
    pub(crate) prefix: Option<String>,
}

/// Why no model was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotLocated {
    /// No tensor has the name of a tensor of a CLIP model.
    NoModel,
    /// There are several, with these prefixes.
    SeveralModels(Vec<String>),
    /// No name has the chosen prefix.
    NoSuchPrefix,
    /// There is only an image tower, which has the tensor with this name.
    OnlyImage(String),
    /// There is only a text tower, which has the tensor with this name.
    OnlyText(String),
    /// There are adapters that are not merged into the weights, as the tensor with this name shows.
    Adapters(String),
}

/// Finds the one model in a file, or the one whose names have the chosen prefix. Of several names of one tensor, those
/// that do not belong to the model are ignored.
///
/// # Errors
/// When there is none, only a part of one, or more than one.
pub(crate) fn locate(
    source: &dyn TensorSource,
    prefix: Option<&str>,
) -> Result<Located, NotLocated> {
    let entries = source.entries();
    let selection = Selection::of(entries.keys().map(String::as_str), prefix);
    if selection.is_chosen && selection.names.is_empty() {
        return Err(NotLocated::NoSuchPrefix);
    }
    let is_adapter = |name: &&str| ADAPTER_PARTS.iter().any(|part| name.contains(part));
    let mut originals = selection.names.values().flatten().copied();
    if let Some(adapter) = originals.find(is_adapter) {
        return Err(NotLocated::Adapters(adapter.to_owned()));
    }
    let Roots { roots, others } = find_roots(source, &selection)?;
    let mut located = Located {
        prefix: model_prefix(&selection, &roots),
        ..Located::default()
    };
    let mut outside = Vec::new();
    for (name, originals) in &selection.names {
        let mut prefixes = name.match_indices('.').map(|(dot, _)| &name[..=dot]);
        if prefixes.any(|prefix| others.contains(prefix)) {
            continue;
        }
        let original = only_original(source, originals)?;
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
            _ => outside.push((inside, original)),
        }
    }
    located.add_outside(source, outside)?;
    Ok(located)
}

/// The only name in the file of a tensor, or one of several that refer to the same numbers.
fn only_original<'file>(
    source: &dyn TensorSource,
    originals: &[&'file str],
) -> Result<&'file str, NotLocated> {
    let original = originals[0];
    match originals
        .iter()
        .find(|copy| !source.is_same(original, copy))
    {
        Some(copy) => Err(several("", &prefixes(original, copy))),
        None => Ok(original),
    }
}

fn model_prefix(selection: &Selection<'_>, roots: &[String]) -> Option<String> {
    match roots {
        [root] => Some(format!("{}{root}", selection.prefix)).filter(|prefix| !prefix.is_empty()),
        _ => None,
    }
}

impl Located {
    fn insert(&mut self, name: &str, original: &str) -> Result<(), NotLocated> {
        let known = self.names.insert(name.to_owned(), original.to_owned());
        match known {
            Some(known) => Err(several("", &[&known, original])),
            None => Ok(()),
        }
    }

    /// Adds tensors that have no usual name of a part of a model, each with its name in the model, if it has one, and
    /// its name in the file. Further names of the model's tensors are ignored.
    fn add_outside(
        &mut self,
        source: &dyn TensorSource,
        outside: Vec<(Option<&str>, &str)>,
    ) -> Result<(), NotLocated> {
        if outside.is_empty() {
            return Ok(());
        }
        let known = self.names.values().map(|known| source.identity(known));
        let known: HashSet<String> = known.collect();
        for (inside, original) in outside {
            if known.contains(&source.identity(original)) {
                continue;
            }
            if let Some(inside) = inside {
                self.insert(inside, original)?;
            } else if !HARMLESS.contains(&last_part(original))
                && !source.entries()[original].is_scalar()
            {
                self.beside.push(original.to_owned());
            }
        }
        Ok(())
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

/// Where a model is among the selected names.
struct Roots {
    /// The prefixes of its names, the longest first: one for both towers, or one for each.
    roots: Vec<String>,
    /// The prefixes of other models, which the caller has not chosen.
    others: HashSet<String>,
}

fn find_roots(source: &dyn TensorSource, selection: &Selection<'_>) -> Result<Roots, NotLocated> {
    let clean = &selection.names;
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
    // The chosen prefix itself comes first, because it is the shortest.
    let is_chosen = selection.is_chosen && first.is_empty();
    let is_copy = |other: &&str| are_copies(source, clean, first, other);
    if !is_chosen && (places.len() > MAX_PLACES || !copies.iter().all(is_copy)) {
        return Err(several(&selection.prefix, &places));
    }
    let others = if is_chosen { copies } else { &[] };
    let roots = iter::once(*first).chain(text);
    let mut roots: Vec<String> = roots.map(str::to_owned).collect();
    roots.sort_by_key(|root| Reverse(root.len()));
    Ok(Roots {
        roots,
        others: others.iter().map(|&other| other.to_owned()).collect(),
    })
}

/// The error about models at these places behind a prefix.
fn several(prefix: &str, places: &[&str]) -> NotLocated {
    let places = places.iter().take(MAX_PLACES);
    NotLocated::SeveralModels(places.map(|place| format!("{prefix}{place}")).collect())
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
    use std::cell::Cell;

    use tch::{Kind, Tensor};

    use super::*;
    use crate::clip::checkpoint::source::{Entry, Listed, Numbers};
    use crate::clip::error::ClipError;

    /// Counts how often the identity of a tensor is asked for.
    struct Counted {
        listed: Listed,
        asked: Cell<usize>,
    }

    impl TensorSource for Counted {
        fn entries(&self) -> &BTreeMap<String, Entry> {
            self.listed.entries()
        }

        fn identity(&self, name: &str) -> String {
            self.asked.set(self.asked.get() + 1);
            name.to_owned()
        }

        fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
            self.listed.read(name)
        }
    }

    #[test]
    fn tensors_outside_of_a_model_are_each_compared_once() {
        const COUNT: usize = 1000;
        let inside = (0..COUNT).map(|index| format!("clip.visual.{index}.weight"));
        let outside = (0..COUNT).map(|index| format!("head.{index}.weight"));
        let marks = ["visual.proj", TEXT_MARK].map(|mark| format!("clip.{mark}"));
        let names: Vec<String> = inside.chain(outside).chain(marks).collect();
        let tensors = names.iter().map(|name| (name.as_str(), &[2, 2][..]));
        let source = Counted {
            listed: Listed::new(&Numbers::Float(Kind::Half), tensors),
            asked: Cell::new(0),
        };
        let located = locate(&source, None).expect("one model");
        assert_eq!(located.beside.len(), COUNT);
        assert_eq!(source.asked.get(), names.len());
    }

    #[test]
    fn an_error_lists_only_some_of_very_many_models() {
        let names: Vec<String> = (0..1000)
            .flat_map(|index| ["visual.proj", TEXT_MARK].map(|mark| format!("{index:03}.{mark}")))
            .collect();
        let tensors = names.iter().map(|name| (name.as_str(), &[1, 1][..]));
        let source = Listed::new(&Numbers::Float(Kind::Half), tensors);
        let places = (0..MAX_PLACES).map(|index| format!("{index:03}."));
        let expected = NotLocated::SeveralModels(places.collect());
        assert_eq!(locate(&source, None).unwrap_err(), expected);
    }
}
