//! Finds the weight file in a folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::shards::{ShardIndex, is_index};
use crate::clip::error::ClipError;

/// The names of weight files in the folders of Hugging Face's hub, in the order of preference.
const NAMES: [&str; 8] = [
    "open_clip_model.safetensors",
    "open_clip_model.safetensors.index.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The extensions of weight files with other names.
const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "bin", "ckpt"];

/// Why a folder cannot be used.
#[derive(Debug, Error)]
enum FolderError {
    #[error(
        "it is a folder without {}, or any other weight file (.safetensors, .pt, .pth, .bin or .ckpt)",
        NAMES.join(", ")
    )]
    NoWeights,
    #[error("it is a folder with several weight files: {}; choose one of them", .0.join(", "))]
    Several(Vec<String>),
}

/// The weight file at a path: the file itself, or the one in a folder, such as a download of Hugging Face
/// or `open_clip`. It may be the index of several files.
///
/// # Errors
/// If a folder has no weights, or several possible files.
pub(crate) fn weights_file(path: &Path) -> Result<PathBuf, ClipError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let unreadable = |cause| ClipError::Unreadable {
        file: path.to_owned(),
        cause,
    };
    let folder = snapshot(path).unwrap_or_else(|| path.to_owned());
    if let Some(known) = NAMES
        .map(|name| folder.join(name))
        .into_iter()
        .find(|file| file.is_file())
    {
        return Ok(known);
    }
    let mut others = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(OsStr::to_str);
        if file.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            others.push(file);
        }
    }
    others.sort();
    let error = match others.as_slice() {
        [only] => return Ok(only.clone()),
        [] => FolderError::NoWeights,
        several => {
            let name = |file: &PathBuf| {
                file.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            };
            FolderError::Several(several.iter().map(name).collect())
        }
    };
    Err(unreadable(std::io::Error::other(error)))
}

/// The weight files at a path, which may be a file, a folder or an index: one file, or the shards of the index
/// in their order.
///
/// # Errors
/// If a folder has no weights, or an index cannot be read.
pub fn weights_files(path: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let file = weights_file(path)?;
    if is_index(&file) {
        return Ok(ShardIndex::read(&file)?.shards(&file));
    }
    Ok(vec![file])
}

/// The folder with the files in a cache of Hugging Face's hub, `models--ORGANIZATION--NAME`. The cache stores
/// them by commit, and the commit of each branch in `refs`.
fn snapshot(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.join("snapshots");
    let main = std::fs::read_to_string(folder.join("refs/main")).ok();
    if let Some(commit) = main
        .as_deref()
        .map(str::trim)
        .filter(|commit| !commit.is_empty())
    {
        let named = snapshots.join(commit);
        if named.is_dir() {
            return Some(named);
        }
    }
    let mut commits = std::fs::read_dir(&snapshots).ok()?.filter_map(Result::ok);
    match (commits.next(), commits.next()) {
        (Some(only), None) => Some(only.path()),
        _ => None,
    }
}
