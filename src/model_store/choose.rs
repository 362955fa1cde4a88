//! The choice of the weights to load.

use std::path::Path;

use super::error::StoreError;
use super::folders::{Folders, check_size};
use super::inventory::{ModelLocation, inventory};
use super::registry::{self, ModelSource};
use crate::clip::WeightsSource;

/// Finds the requested weights by a published name or by a path. If none are requested, it finds the
/// best full-size weights on this machine, else the embedded model.
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
            name: model.name,
            folders: folders.all().to_vec(),
        })?;
        check_size(&path, model)?;
        return Ok(WeightsSource::File(path));
    }
    let path = Path::new(requested);
    if path.is_file() {
        return Ok(WeightsSource::File(path.to_owned()));
    }
    if path.extension().is_some() {
        return Err(StoreError::NoSuchFile {
            path: path.to_owned(),
        });
    }
    Err(StoreError::UnknownName {
        name: requested.to_owned(),
        suggestion: registry::suggestion(requested),
    })
}
