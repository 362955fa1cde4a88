//! Which of the published models are on this machine.

use std::path::PathBuf;

use super::error::StoreError;
use super::folders::{Folders, check_size};
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

/// Every published model, in the order of the registry. Only sizes are compared, because the
/// SHA-256 of all files takes seconds; [`super::verify()`] compares that.
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
    let Some(path) = folders.find(model) else {
        return ModelLocation::Missing;
    };
    match check_size(&path, model) {
        Ok(()) => ModelLocation::File(path),
        Err(error) => ModelLocation::Invalid(error),
    }
}
