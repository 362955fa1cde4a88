//! Which of the published models are on this machine.

use std::path::PathBuf;

use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::registry::{MODELS, ModelSource, PublishedModel};

/// A published model and where it is.
#[derive(Debug)]
pub struct InventoryEntry {
    /// The model.
    pub model: &'static PublishedModel,
    /// Where it is.
    pub location: ModelLocation,
}

/// Where a published model is.
#[derive(Debug)]
pub enum ModelLocation {
    /// Inside the program.
    Embedded,
    /// In this file, which has the right size.
    File(PathBuf),
    /// There is a file with its name that cannot be the model.
    Invalid(StoreError),
    /// Not on this machine.
    Missing,
}

/// Every published model, in the order of the registry. Only the size and the first bytes of a file are
/// checked, because the SHA-256 of all files takes seconds; [`super::verify()`] compares that.
pub fn inventory(folders: &Folders) -> Vec<InventoryEntry> {
    MODELS
        .iter()
        .map(|model| InventoryEntry {
            model,
            location: locate(model, folders),
        })
        .collect()
}

fn locate(model: &PublishedModel, folders: &Folders) -> ModelLocation {
    if model.source == ModelSource::Embedded {
        return ModelLocation::Embedded;
    }
    let mut first_error = None;
    for path in folders.candidates(model) {
        match check_file(&path, model) {
            Ok(()) => return ModelLocation::File(path),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(ModelLocation::Missing, ModelLocation::Invalid)
}
