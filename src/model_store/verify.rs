//! Is a file what its name says?

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::checksum;
use super::error::StoreError;
use super::registry::{MODELS, PublishedModel};

/// What the SHA-256 of a file says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this published model, whatever it is called.
    Intact(&'static PublishedModel),
    /// It has the name of a published model, but other contents.
    Wrong {
        /// The model that it is named after.
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

/// Compares a file with the published models, by its contents first and then by its name.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(path: &Path) -> Result<Verdict, StoreError> {
    let found = checksum::of_file(path).map_err(StoreError::unusable("read", path))?;
    if let Some(model) = MODELS.iter().find(|model| model.sha256 == found) {
        return Ok(Verdict::Intact(model));
    }
    let name = path.file_name();
    Ok(
        match MODELS
            .iter()
            .find(|model| name == Some(OsStr::new(model.file_name)))
        {
            Some(named) => Verdict::Wrong { named, found },
            None => Verdict::Unknown { found },
        },
    )
}

/// The weights files of a folder, sorted by name; none if there is no such folder.
///
/// # Errors
/// When the folder exists and cannot be read.
pub fn weights_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(StoreError::unusable("read", folder))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let ending = path.extension().and_then(OsStr::to_str);
            path.is_file() && matches!(ending, Some("pt" | "safetensors"))
        })
        .collect();
    files.sort();
    Ok(files)
}
