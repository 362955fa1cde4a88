//! Compares files with the published SHA-256.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::checksum::sha256_of_file;
use super::error::StoreError;
use super::registry::{MODELS, PublishedModel};

/// What a file is, by its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It is this published model, regardless of its name.
    Intact(&'static PublishedModel),
    /// It has the name of a published model, but other contents.
    Wrong {
        /// The model with that name.
        named: &'static PublishedModel,
        /// The file's SHA-256.
        found: String,
    },
    /// Neither the name nor the contents are published.
    Unknown {
        /// The file's SHA-256.
        found: String,
    },
}

/// Compares a file with the published models: first its contents, then its name.
///
/// # Errors
/// If the file cannot be read.
pub fn verify(path: &Path) -> Result<Verification, StoreError> {
    let found = sha256_of_file(path).map_err(StoreError::io("read", path))?;
    if let Some(model) = MODELS.iter().find(|model| model.sha256 == found) {
        return Ok(Verification::Intact(model));
    }
    let name = path.file_name();
    Ok(
        match MODELS
            .iter()
            .find(|model| name == Some(OsStr::new(model.file_name)))
        {
            Some(named) => Verification::Wrong { named, found },
            None => Verification::Unknown { found },
        },
    )
}

/// The weights files in a folder, sorted by name; none if the folder does not exist.
///
/// # Errors
/// If the folder exists and cannot be read.
pub fn weights_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let extension = path.extension().and_then(OsStr::to_str);
            path.is_file() && matches!(extension, Some("pt" | "safetensors"))
        })
        .collect();
    files.sort();
    Ok(files)
}
