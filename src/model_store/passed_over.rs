//! Files in the weights folders that were skipped because they cannot be used.

use std::path::{Path, PathBuf};

use super::contents::check_contents;
use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::registry::{MODELS, ModelSource, is_named_after_published};
use super::verify::weights_files;
use crate::clip::WeightsSource;

/// The errors of the files in the weights folders that were skipped when `chosen` was found without a request.
pub fn passed_over(chosen: &WeightsSource, folders: &Folders) -> Vec<StoreError> {
    let chosen_path = match chosen {
        WeightsSource::File(path) => Some(path),
        WeightsSource::Embedded => None,
    };
    let mut errors = Vec::new();
    'models: for model in MODELS
        .iter()
        .filter(|model| model.source != ModelSource::Embedded)
    {
        for path in folders.candidates(model) {
            if Some(&path) == chosen_path {
                break 'models;
            }
            errors.extend(check_file(&path, model).err());
        }
        errors.extend(unfinished(model.name, folders.all(), model.file_name));
    }
    for folder in folders.all() {
        let files = weights_files(folder).unwrap_or_default();
        let others = files.iter().filter(|path| !is_named_after_published(path));
        let others = others.filter(|path| !is_converted(path));
        errors.extend(others.filter_map(|path| check_contents(path).err()));
    }
    errors
}

/// Whether a file has the name of a published model in another format.
fn is_converted(path: &Path) -> bool {
    MODELS
        .iter()
        .any(|model| path.file_stem().is_some_and(|stem| stem == model.stem()))
}

/// An unfinished download of a file that is not on this machine.
fn unfinished(name: &'static str, folders: &[PathBuf], file_name: &str) -> Option<StoreError> {
    let partial = |folder: &PathBuf| folder.join(format!("{file_name}.part"));
    let path = folders
        .iter()
        .map(partial)
        .find(|partial| partial.is_file())?;
    let complete = folders
        .iter()
        .any(|folder| folder.join(file_name).is_file());
    (!complete).then_some(StoreError::Unfinished { name, path })
}
