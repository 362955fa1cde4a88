//! The files of a repository on Hugging Face's hub, and which of them are needed.

use reqwest::blocking::Client;
use serde::Deserialize;

use super::error::TransferError;

/// The weights of a model in one file, or the index of its shards, in the order of preference.
const WEIGHTS: [&str; 8] = [
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "open_clip_model.safetensors.index.json",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin.index.json",
    "pytorch_model.bin.index.json",
];
/// The configurations that the loader reads next to the weights.
const CONFIGURATIONS: [&str; 4] = [
    "open_clip_config.json",
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
];

/// A file of a repository, as the hub lists it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct HubFile {
    /// Its name.
    pub(super) path: String,
    /// Its size in bytes.
    #[serde(default)]
    pub(super) size: u64,
    /// Further facts about a large file.
    lfs: Option<LargeFile>,
}

#[derive(Debug, Clone, Deserialize)]
struct LargeFile {
    /// Its SHA-256.
    oid: String,
}

impl HubFile {
    /// Its SHA-256, which the hub has only for large files.
    pub(super) fn sha256(&self) -> Option<&str> {
        Some(self.lfs.as_ref()?.oid.as_str())
    }
}

/// Requests the list of the files of a repository.
pub(super) fn list(client: &Client, url: &str) -> Result<Vec<HubFile>, TransferError> {
    let response = client
        .get(url)
        .send()
        .map_err(|cause| TransferError::Connection(cause.without_url()))?;
    if !response.status().is_success() {
        return Err(TransferError::Status(response.status()));
    }
    let listing = response.json();
    listing.map_err(|cause| TransferError::NoListing(cause.without_url()))
}

/// The files that a model needs, its weights last; `None` if there are no weights.
pub(super) fn needed(files: &[HubFile]) -> Option<Vec<HubFile>> {
    let find = |name: &str| files.iter().find(|file| file.path == name);
    let weights = WEIGHTS.iter().find_map(|name| find(name))?;
    let mut needed: Vec<HubFile> = CONFIGURATIONS
        .iter()
        .filter_map(|name| find(name))
        .cloned()
        .collect();
    if let Some((stem, extension)) = weights
        .path
        .strip_suffix(".index.json")
        .and_then(|path| path.rsplit_once('.'))
    {
        // `model-00001-of-00002.safetensors`.
        let is_shard = |path: &str| {
            let middle = path
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_suffix(extension));
            middle.is_some_and(|middle| middle.starts_with('-') && middle.contains("-of-"))
        };
        needed.extend(files.iter().filter(|file| is_shard(&file.path)).cloned());
    }
    needed.push(weights.clone());
    Some(needed)
}
