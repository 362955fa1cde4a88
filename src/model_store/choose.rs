//! From what a person asks for to the weights that are loaded.

use std::path::Path;

use super::contents::check_contents;
use super::error::StoreError;
use super::folders::{Folders, check_file};
use super::hub_model::HubModel;
use super::inventory::{Place, inventory};
use super::registry::{self, Source};
use crate::clip::{WeightsSource, weights_files};

/// Finds the weights that `wish` names, by a published name, a name of Hugging Face's hub or of `open_clip`'s, or by the path
/// of a file or a folder. Without a wish the best
/// full-size weights on this machine are taken, else the embedded model.
///
/// # Errors
/// When the name is unknown, when its file is not here or not whole, or when the path leads to
/// nothing.
pub fn choose(wish: Option<&str>, folders: &Folders) -> Result<WeightsSource, StoreError> {
    match wish {
        None => Ok(preferred(folders)),
        Some(wish) => wished(wish, folders),
    }
}

fn preferred(folders: &Folders) -> WeightsSource {
    let on_disk = inventory(folders)
        .into_iter()
        .find_map(|entry| match entry.place {
            Place::File(path) => Some(path),
            _ => None,
        });
    on_disk.map_or(WeightsSource::Embedded, WeightsSource::File)
}

fn wished(wish: &str, folders: &Folders) -> Result<WeightsSource, StoreError> {
    if let Some(model) = registry::find(wish) {
        if model.source == Source::Embedded {
            return Ok(WeightsSource::Embedded);
        }
        let path = folders.find(model).ok_or_else(|| StoreError::NotFetched {
            name: model.name.to_owned(),
            folders: folders.all().to_vec(),
        })?;
        check_file(&path, model)?;
        return Ok(WeightsSource::File(path));
    }
    let path = Path::new(wish);
    if path.is_file() {
        check_contents(path)?;
        return Ok(WeightsSource::File(path.to_owned()));
    }
    if path.is_dir() {
        return folder_source(path);
    }
    if let Some(model) = HubModel::find(wish) {
        let folder = model.find_in(folders.all());
        let folder = folder.ok_or_else(|| StoreError::NotFetched {
            name: wish.to_owned(),
            folders: folders.all().to_vec(),
        })?;
        return folder_source(&folder);
    }
    if path.extension().is_some() {
        return Err(StoreError::NoSuchFile {
            path: path.to_owned(),
        });
    }
    Err(StoreError::UnknownName {
        name: wish.to_owned(),
        nearest: registry::nearest(wish),
    })
}

/// The weights in a folder. One that has none is reported when it is loaded, with the reason.
fn folder_source(folder: &Path) -> Result<WeightsSource, StoreError> {
    for file in weights_files(folder).unwrap_or_default() {
        check_contents(&file)?;
    }
    Ok(WeightsSource::File(folder.to_owned()))
}
