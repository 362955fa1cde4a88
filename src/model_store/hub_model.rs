//! Models on Hugging Face's hub, by their names there or by `open_clip`'s.

use std::fs;
use std::path::{Path, PathBuf};

use super::registry::PublishedModel;
use crate::clip::weights_files;

/// `NAME/TAG REPOSITORY` lines, one for each model of `open_clip`'s that is on the hub and can be read here.
const OPEN_CLIP_NAMES: &str = include_str!("open_clip_names.txt");

/// What a name of the hub begins with.
const HUB: &str = "hf:";

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// The repository, `ORGANISATION/NAME`.
    pub repository: String,
}

impl HubModel {
    /// The model of a name such as `hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K`, or of `open_clip`'s name and tag,
    /// `ViT-B-32/laion2b_s34b_b79k`.
    pub fn find(name: &str) -> Option<Self> {
        let repository = match name.strip_prefix(HUB) {
            Some(repository) => Some(repository).filter(|repository| is_repository(repository)),
            None => open_clip_repository(name),
        };
        repository.map(|repository| Self {
            repository: repository.to_owned(),
        })
    }

    /// The name by which this program finds it.
    pub fn name(&self) -> String {
        format!("{HUB}{}", self.repository)
    }

    /// The folder of its files in a weights folder.
    pub fn folder_name(&self) -> String {
        self.repository.replace('/', SEPARATOR)
    }

    /// The folder with its files in one of these folders, if its weights have been fetched.
    pub fn find_in(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        let places = folders.iter().map(|folder| folder.join(self.folder_name()));
        places.into_iter().find(|place| has_weights(place))
    }

    /// All models of the hub in these folders, with their folders.
    pub fn all_in(folders: &[PathBuf]) -> Vec<(Self, PathBuf)> {
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let (organisation, name) = path.file_name()?.to_str()?.split_once(SEPARATOR)?;
                let repository = format!("{organisation}/{name}");
                (has_weights(&path) && is_repository(&repository))
                    .then(|| (Self { repository }, path.clone()))
            })
            .collect();
        found.sort_by(|(first, _), (second, _)| first.repository.cmp(&second.repository));
        found
    }
}

/// Whether a folder has weights. Configurations arrive before them.
fn has_weights(folder: &Path) -> bool {
    folder.is_dir() && weights_files(folder).is_ok()
}

/// Stands for the slash of a repository in a folder's name.
const SEPARATOR: &str = "--";

/// The name under which `open_clip` has one of OpenAI's models.
pub fn open_clip_name(model: &PublishedModel) -> Option<String> {
    let name = format!("{}/openai", model.stem().trim_end_matches("px"));
    open_clip_repository(&name).map(|_| name)
}

fn open_clip_repository(name: &str) -> Option<&'static str> {
    // The activation is in the configuration of each repository, so names for it are not needed.
    let name = name.replace("-quickgelu/", "/");
    OPEN_CLIP_NAMES.lines().find_map(|line| {
        let (known, repository) = line.split_once(' ')?;
        known.eq_ignore_ascii_case(&name).then_some(repository)
    })
}

/// Whether this is `ORGANISATION/NAME` in the characters that the hub allows, so that it can be a part of a path.
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
        .is_some_and(|(organisation, name)| plain(organisation) && plain(name))
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
