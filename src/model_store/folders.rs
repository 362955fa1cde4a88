//! The folders that weights lie in.

use std::path::{Path, PathBuf};

use super::contents::check_contents;
use super::error::StoreError;
use super::registry::{PublishedModel, Source};
use crate::environment;

/// The folders that are searched for weights, the first of which receives new ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders(Vec<PathBuf>);

impl Folders {
    /// The named folder alone; without one `weights/` of the checkout that the program was built
    /// in, and `clipdraw/weights` among the user's data.
    pub fn new(named: Option<PathBuf>) -> Self {
        if let Some(folder) = named {
            return Self(vec![folder]);
        }
        let checkout = environment::checkout()
            .map(|root| root.join("weights"))
            .filter(|folder| folder.is_dir());
        let user = environment::user_data_folder().map(|folder| folder.join("clipdraw/weights"));
        Self(checkout.into_iter().chain(user).collect())
    }

    /// All of them, in the order in which they are searched.
    pub fn all(&self) -> &[PathBuf] {
        &self.0
    }

    /// The folder that receives new weights. It need not exist yet.
    ///
    /// # Errors
    /// When the machine has no home folder and no folder was named.
    pub fn receiving(&self) -> Result<&Path, StoreError> {
        self.0
            .first()
            .map(PathBuf::as_path)
            .ok_or(StoreError::NoFolder)
    }

    /// The file of a model: as published, or converted to safetensors under the same name.
    pub fn find(&self, model: &PublishedModel) -> Option<PathBuf> {
        self.candidates(model).into_iter().next()
    }

    /// All files that a model may be in, the preferred one first.
    pub(super) fn candidates(&self, model: &PublishedModel) -> Vec<PathBuf> {
        let converted = format!("{}.safetensors", model.stem());
        let mut paths: Vec<PathBuf> = self
            .0
            .iter()
            .flat_map(|folder| [folder.join(&converted), folder.join(model.file_name)])
            .filter(|path| path.is_file())
            .collect();
        paths.dedup();
        paths
    }
}

/// Refuses a file that cannot be the model, because it is a pointer, has only its beginning, or another length.
///
/// # Errors
/// When it is such a file, or cannot be looked at.
pub(super) fn check_file(path: &Path, model: &PublishedModel) -> Result<(), StoreError> {
    check_contents(path)?;
    check_size(path, model)
}

/// Refuses a file that cannot be the published one because its length differs. A file in another
/// format than the published one is somebody's conversion, and any length is right.
///
/// # Errors
/// When the length differs, or the file cannot be looked at.
fn check_size(path: &Path, model: &PublishedModel) -> Result<(), StoreError> {
    let published = path.file_name().is_some_and(|name| name == model.file_name);
    if !published || model.source == Source::Embedded {
        return Ok(());
    }
    let found = path
        .metadata()
        .map_err(StoreError::unusable("read", path))?
        .len();
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
