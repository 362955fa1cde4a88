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
    #[error("it is a folder without weights, but there are some in {}; use this path", .0.join(", "))]
    InSubfolders(Vec<String>),
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
    let candidates = candidates(&folder).map_err(unreadable)?;
    let error = match candidates.as_slice() {
        [only] => return Ok(only.clone()),
        [] => match subfolders_with_weights(&folder).map_err(unreadable)? {
            subfolders if subfolders.is_empty() => FolderError::NoWeights,
            subfolders => FolderError::InSubfolders(subfolders),
        },
        several => FolderError::Several(several.iter().map(|file| file_name(file)).collect()),
    };
    Err(unreadable(std::io::Error::other(error)))
}

/// The possible weight files in a folder, without its subfolders: the first one with a known name, else all with a
/// known extension.
fn candidates(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut known = NAMES.map(|name| folder.join(name)).into_iter();
    if let Some(known) = known.find(|file| file.is_file()) {
        return Ok(vec![known]);
    }
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        let extension = file.extension().and_then(OsStr::to_str);
        if file.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            others.push(file);
        }
    }
    others.sort();
    Ok(others)
}

/// The subfolders that have weights, as those of sentence-transformers.
fn subfolders_with_weights(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let subfolder = entry?.path();
        if candidates(&subfolder).is_ok_and(|files| !files.is_empty()) {
            found.push(subfolder.display().to_string());
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
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
