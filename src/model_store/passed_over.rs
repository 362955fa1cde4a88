//! Files in the weights folders that would be used if they were whole.

use std::path::{Path, PathBuf};

use super::contents::check_contents;
use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::registry::{MODELS, Source, is_named_after_published};
use super::verify::weights_files;
use crate::clip::WeightsSource;

/// What is wrong with the files in the weights folders that were passed over when `chosen` was chosen without a wish.
pub fn passed_over(chosen: &WeightsSource, folders: &Folders) -> Vec<StoreError> {
    let chosen_path = match chosen {
        WeightsSource::File(path) => Some(path),
        WeightsSource::Embedded => None,
    };
    let mut flaws = Vec::new();
    'models: for model in MODELS
        .iter()
        .filter(|model| model.source != Source::Embedded)
    {
        for path in folders.candidates(model) {
            if Some(&path) == chosen_path {
                break 'models;
            }
            flaws.extend(check_file(&path, model).err());
        }
        flaws.extend(unfinished(model.name, folders.all(), model.file_name));
    }
    for folder in folders.all() {
        let files = weights_files(folder).unwrap_or_default();
        let others = files.iter().filter(|path| !is_named_after_published(path));
        let others = others.filter(|path| !is_converted(path));
        flaws.extend(others.filter_map(|path| check_contents(path).err()));
    }
    flaws
}

/// Whether a file has the name of a published model's in another format.
fn is_converted(path: &Path) -> bool {
    MODELS
        .iter()
        .any(|model| path.file_stem().is_some_and(|stem| stem == model.stem()))
}

/// A download that broke off, of a file that is not here.
fn unfinished(name: &'static str, folders: &[PathBuf], file_name: &str) -> Option<StoreError> {
    let part = |folder: &PathBuf| folder.join(format!("{file_name}.part"));
    let path = folders.iter().map(part).find(|part| part.is_file())?;
    let whole = folders
        .iter()
        .any(|folder| folder.join(file_name).is_file());
    (!whole).then_some(StoreError::Unfinished { name, path })
}
