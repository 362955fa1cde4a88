//! Which file of a folder has the weights.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::shards::{ShardIndex, is_index};
use crate::clip::error::ClipError;

/// The names that weights have in the folders of Hugging Face's hub, in the order of preference.
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

/// The extensions of a weight file of any other name.
const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "bin", "ckpt"];

/// Why a folder is of no use.
#[derive(Debug, Error)]
enum FolderError {
    #[error(
        "it is a folder without {}, and without any other weight file (.safetensors, .pt, .pth, .bin or .ckpt)",
        NAMES.join(", ")
    )]
    NoWeights,
    #[error("it is a folder with several weight files: {}; name one of them", .0.join(", "))]
    Several(Vec<String>),
}

/// The file of weights that a path leads to: the file itself, or the one in a folder such as Hugging Face's
/// or `open_clip`'s downloads. It may be the index of several files.
///
/// # Errors
/// When a folder has no weights, or several files that could be meant.
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

/// The files that a path to weights stands for: one, or the shards of an index, in their order.
///
/// # Errors
/// When a folder has no weights, or an index cannot be read.
pub fn weights_files(path: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let file = weights_file(path)?;
    if is_index(&file) {
        return Ok(ShardIndex::read(&file)?.shards(&file));
    }
    Ok(vec![file])
}

/// The folder of files in a cache of Hugging Face's hub, `models--ORGANISATION--NAME`: it keeps them by commit, and
/// the commit of each branch in `refs`.
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
