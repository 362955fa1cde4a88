//! The folders with weights.

use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::registry::{ModelSource, PublishedModel};
use crate::environment;

/// The folders that are searched for weights. Downloads go to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders(Vec<PathBuf>);

impl Folders {
    /// Only the given folder. Without one: `weights/` in the checkout that the program was built in,
    /// then `clipdraw/weights` in the user's data folder.
    pub fn new(chosen: Option<PathBuf>) -> Self {
        if let Some(folder) = chosen {
            return Self(vec![folder]);
        }
        let checkout = environment::checkout()
            .map(|root| root.join("weights"))
            .filter(|folder| folder.is_dir());
        let user = environment::user_data_folder().map(|folder| folder.join("clipdraw/weights"));
        Self(checkout.into_iter().chain(user).collect())
    }

    /// All folders, in the order of the search.
    pub fn all(&self) -> &[PathBuf] {
        &self.0
    }

    /// The folder that new weights are downloaded to. It need not exist yet.
    ///
    /// # Errors
    /// If the machine has no home folder and no folder was given.
    pub fn download_folder(&self) -> Result<&Path, StoreError> {
        self.0
            .first()
            .map(PathBuf::as_path)
            .ok_or(StoreError::NoFolder)
    }

    /// The file of a model: as published, or converted to safetensors under the same name.
    pub fn find(&self, model: &PublishedModel) -> Option<PathBuf> {
        let converted = format!("{}.safetensors", model.stem());
        self.0
            .iter()
            .flat_map(|folder| [folder.join(&converted), folder.join(model.file_name)])
            .find(|path| path.is_file())
    }
}

/// Rejects a file that cannot be the published one because its size differs. A file in another format
/// is a conversion, and may have any size.
///
/// # Errors
/// If the size differs, or cannot be read.
pub(super) fn check_size(path: &Path, model: &PublishedModel) -> Result<(), StoreError> {
    let published = path.file_name().is_some_and(|name| name == model.file_name);
    if !published || model.source == ModelSource::Embedded {
        return Ok(());
    }
    let found = path.metadata().map_err(StoreError::io("read", path))?.len();
    if found == model.size {
        return Ok(());
    }
    Err(StoreError::WrongSize {
        name: model.name,
        path: path.to_owned(),
        found,
        expected: model.size,
    })
}
