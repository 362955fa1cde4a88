//! The choice of the weights to load.

use std::path::Path;

use super::contents::check_contents;
use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::hub_model::HubModel;
use super::inventory::{ModelLocation, inventory};
use super::registry::{self, ModelSource};
use crate::clip::{WeightsSource, weights_files};

/// The prefix of a path in `open_clip`.
const OPEN_CLIP_PATH: &str = "local-dir:";

/// Finds the requested weights by a published name, a name on Hugging Face's hub or in `open_clip`, or the
/// path of a file or a folder. If none are requested, it finds the best full-size weights on this machine,
/// else the embedded model.
///
/// # Errors
/// If the name is unknown, its file is missing or has the wrong size, or there is no file at the path.
pub fn choose(requested: Option<&str>, folders: &Folders) -> Result<WeightsSource, StoreError> {
    match requested {
        None => Ok(best_available(folders)),
        Some(requested) => named(requested, folders),
    }
}

fn best_available(folders: &Folders) -> WeightsSource {
    let on_disk = inventory(folders)
        .into_iter()
        .find_map(|entry| match entry.location {
            ModelLocation::File(path) => Some(path),
            _ => None,
        });
    on_disk.map_or(WeightsSource::Embedded, WeightsSource::File)
}

fn named(requested: &str, folders: &Folders) -> Result<WeightsSource, StoreError> {
    if let Some(model) = registry::find(requested) {
        if model.source == ModelSource::Embedded {
            return Ok(WeightsSource::Embedded);
        }
        let path = folders.find(model).ok_or_else(|| StoreError::NotFetched {
            name: model.name.to_owned(),
            folders: folders.all().to_vec(),
        })?;
        check_file(&path, model)?;
        return Ok(WeightsSource::File(path));
    }
    let explicit_path = requested.strip_prefix(OPEN_CLIP_PATH);
    let path = Path::new(explicit_path.unwrap_or(requested));
    if path.is_file() {
        check_contents(path)?;
        return Ok(WeightsSource::File(path.to_owned()));
    }
    if path.is_dir() {
        return folder_source(path);
    }
    if let Some(model) = HubModel::find(requested) {
        let folder = model.find_in(folders.all());
        let folder = folder.ok_or_else(|| StoreError::NotFetched {
            name: requested.to_owned(),
            folders: folders.all().to_vec(),
        })?;
        return folder_source(&folder);
    }
    if explicit_path.is_some() || path.extension().is_some() {
        return Err(StoreError::NoSuchFile {
            path: path.to_owned(),
        });
    }
    Err(StoreError::UnknownName {
        name: requested.to_owned(),
        suggestion: registry::suggestion(requested),
    })
}

/// The weights in a folder. If it has none, the error with the reason comes from loading it.
fn folder_source(folder: &Path) -> Result<WeightsSource, StoreError> {
    for file in weights_files(folder).unwrap_or_default() {
        check_contents(&file)?;
    }
    Ok(WeightsSource::File(folder.to_owned()))
}
