//! Models on Hugging Face's hub, by their names there or in `open_clip`.

use std::fs;
use std::path::{Path, PathBuf};

use super::registry::PublishedModel;
use crate::clip::weights_files;

/// `NAME/TAG REPOSITORY` lines, one for each model of `open_clip` that is on the hub and can be read.
const OPEN_CLIP_NAMES: &str = include_str!("open_clip_names.txt");

/// The prefix of a name on the hub.
const HUB: &str = "hf:";
/// The same prefix in `open_clip`.
const OPEN_CLIP_HUB: &str = "hf-hub:";

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// The repository, `ORGANIZATION/NAME`.
    pub repository: String,
}

impl HubModel {
    /// Finds a model by a name such as `hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K` (or with the prefix `hf-hub:` of
    /// `open_clip`), or by the name and tag in `open_clip`, such as `ViT-B-32/laion2b_s34b_b79k`.
    pub fn find(name: &str) -> Option<Self> {
        let on_hub = name.strip_prefix(HUB);
        let repository = match on_hub.or_else(|| name.strip_prefix(OPEN_CLIP_HUB)) {
            Some(repository) => Some(repository).filter(|repository| is_repository(repository)),
            None => open_clip_repository(name),
        };
        repository.map(|repository| Self {
            repository: repository.to_owned(),
        })
    }

    /// The model whose repository has this name, written without a prefix.
    pub(super) fn of_repository(name: &str) -> Option<Self> {
        Self::find(&format!("{HUB}{name}"))
    }

    /// Its name in this program.
    pub fn name(&self) -> String {
        format!("{HUB}{}", self.repository)
    }

    /// The name of its folder in a weights folder.
    pub fn folder_name(&self) -> String {
        self.repository.replace('/', SEPARATOR)
    }

    /// Its folder in one of these folders, if its weights have been fetched.
    pub fn find_in(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        let candidates = folders.iter().map(|folder| folder.join(self.folder_name()));
        candidates.into_iter().find(|folder| has_weights(folder))
    }

    /// All models from the hub in these folders, with their folders.
    pub fn all_in(folders: &[PathBuf]) -> Vec<(Self, PathBuf)> {
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let (organization, name) = path.file_name()?.to_str()?.split_once(SEPARATOR)?;
                let repository = format!("{organization}/{name}");
                (has_weights(&path) && is_repository(&repository))
                    .then(|| (Self { repository }, path.clone()))
            })
            .collect();
        found.sort_by(|(first, _), (second, _)| first.repository.cmp(&second.repository));
        found
    }
}

/// Whether a folder has weights. Configurations are downloaded before them.
fn has_weights(folder: &Path) -> bool {
    folder.is_dir() && weights_files(folder).is_ok()
}

/// Replaces the slash of a repository in the name of its folder.
const SEPARATOR: &str = "--";

/// The name of one of OpenAI's models in `open_clip`.
pub(super) fn open_clip_name(model: &PublishedModel) -> Option<String> {
    let name = format!("{}/openai", model.stem().trim_end_matches("px"));
    open_clip_repository(&name).map(|_| name)
}

fn open_clip_repository(name: &str) -> Option<&'static str> {
    // The activation function is in the configuration of each repository, so these names mean the same.
    let name = name.replace("-quickgelu/", "/");
    OPEN_CLIP_NAMES.lines().find_map(|line| {
        let (known, repository) = line.split_once(' ')?;
        known.eq_ignore_ascii_case(&name).then_some(repository)
    })
}

/// Whether this is `ORGANIZATION/NAME` in the characters that the hub allows, so that it is safe in a path.
fn is_repository(text: &str) -> bool {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&character);
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(allowed)
            && !part.starts_with('.')
            && !part.contains("..")
    };
    text.split_once('/')
        .is_some_and(|(organization, name)| plain(organization) && plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_store::registry::MODELS;

    #[test]
    fn names_of_the_hub_and_of_open_clip_lead_to_a_repository() {
        for (name, repository) in [
            (
                "hf:apple/DFN2B-CLIP-ViT-B-16",
                Some("apple/DFN2B-CLIP-ViT-B-16"),
            ),
            (
                "hf-hub:apple/DFN2B-CLIP-ViT-B-16",
                Some("apple/DFN2B-CLIP-ViT-B-16"),
            ),
            ("hf-hub:../../etc", None),
            (
                "ViT-B-32/laion2b_s34b_b79k",
                Some("laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
            ),
            (
                "ViT-B-32-quickgelu/metaclip_400m",
                Some("timm/vit_base_patch32_clip_224.metaclip_400m"),
            ),
            ("ViT-B-32/unheard_of", None),
            ("hf:onlyname", None),
            ("hf:../../etc", None),
            ("hf:a/b/c", None),
            ("ViT-B/32", None),
        ] {
            let found = HubModel::find(name).map(|model| model.repository);
            assert_eq!(found.as_deref(), repository, "{name}");
        }
    }

    #[test]
    fn every_model_of_openais_has_a_name_in_open_clip() {
        for model in MODELS.iter().skip(1) {
            assert!(open_clip_name(model).is_some(), "{}", model.name);
        }
    }
}
