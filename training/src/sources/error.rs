//! Errors of packages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A package cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder of a package is missing or cannot be read; `scripts/train fetch` gets them.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of a package does not have the expected format.
    #[error("{} is not what it should be", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A set is not in the package that should hold it.
    #[error("there is no set {0} in the collections of @iconify/json")]
    NoSet(String),
}

impl SourceError {
    /// Adds the path of what could not be read.
    pub fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Read { path, source }
    }
}

/// Reads a text file, whatever its encoding makes of it.
///
/// # Errors
/// When it cannot be read.
pub fn read_text(path: &Path) -> Result<String, SourceError> {
    let bytes = fs::read(path).map_err(SourceError::reading(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file of JSON.
///
/// # Errors
/// When it cannot be read, or has another form.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, SourceError> {
    let bytes = fs::read(path).map_err(SourceError::reading(path))?;
    serde_json::from_slice(&bytes).map_err(|source| SourceError::Form {
        path: path.to_owned(),
        source,
    })
}

/// Every file below a folder, sorted.
pub(super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(SourceError::reading(&folder))? {
            let entry = entry.map_err(SourceError::reading(&folder))?;
            let kind = entry.file_type().map_err(SourceError::reading(&folder))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
