//! Which of the published models are on this machine.

use std::path::PathBuf;

use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::registry::{MODELS, PublishedModel, Source};

/// A published model and where it is.
#[derive(Debug)]
pub struct Entry {
    /// The model.
    pub model: &'static PublishedModel,
    /// Where it is.
    pub place: Place,
}

/// Where a published model is.
#[derive(Debug)]
pub enum Place {
    /// Inside the program.
    Embedded,
    /// In this file, which has the right length.
    File(PathBuf),
    /// There is a file of that name, and it cannot be the model.
    Damaged(StoreError),
    /// Not on this machine.
    Elsewhere,
}

/// Every published model, in the order of the registry. Only lengths and first bytes are looked at: a SHA-256 of
/// all files takes seconds, and [`super::verify()`] does that.
pub fn inventory(folders: &Folders) -> Vec<Entry> {
    MODELS
        .iter()
        .map(|model| Entry {
            model,
            place: place(model, folders),
        })
        .collect()
}

fn place(model: &PublishedModel, folders: &Folders) -> Place {
    if model.source == Source::Embedded {
        return Place::Embedded;
    }
    let mut first_flaw = None;
    for path in folders.candidates(model) {
        match check_file(&path, model) {
            Ok(()) => return Place::File(path),
            Err(flaw) => first_flaw = first_flaw.or(Some(flaw)),
        }
    }
    first_flaw.map_or(Place::Elsewhere, Place::Damaged)
}
