//! Weights in several files, with an index of the file of each tensor.
//!
//! The index is Hugging Face's `*.index.json`: `{"weight_map": {"name": "file"}}`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::Tensor;
use thiserror::Error;

use super::source::{Entry, TensorSource};
use crate::clip::error::ClipError;

/// Why an index cannot be used.
#[derive(Debug, Error)]
pub(crate) enum IndexError {
    #[error("it is not an index of shards")]
    Json(#[from] serde_json::Error),
    #[error("it lists no files")]
    Empty,
    #[error("it lists `{0}`, which is not the name of a file in the same folder")]
    OutsideFolder(String),
    #[error("according to it, `{tensor}` is in {shard}, which does not have it")]
    NotThere {
        /// The tensor.
        tensor: String,
        /// The file.
        shard: String,
    },
}

/// The file of each tensor.
#[derive(Debug, Deserialize)]
pub(crate) struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// Whether a file has the name of an index.
pub(crate) fn is_index(file: &Path) -> bool {
    file.extension() == Some(OsStr::new("json"))
}

impl ShardIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// If it is broken, lists no files, or lists files outside of its folder.
    pub(crate) fn read(file: &Path) -> Result<Self, ClipError> {
        let text = std::fs::read(file).map_err(|cause| ClipError::Unreadable {
            file: file.to_owned(),
            cause,
        })?;
        Self::parse(&text).map_err(|cause| cause.about(file))
    }

    fn parse(text: &[u8]) -> Result<Self, IndexError> {
        let index: Self = serde_json::from_slice(text)?;
        if index.weight_map.is_empty() {
            return Err(IndexError::Empty);
        }
        let plain = |name: &&String| Path::new(name).file_name() == Some(OsStr::new(name));
        match index.weight_map.values().find(|name| !plain(name)) {
            Some(name) => Err(IndexError::OutsideFolder(name.clone())),
            None => Ok(index),
        }
    }

    /// The files, which are in the same folder as the index.
    pub(crate) fn shards(&self, index: &Path) -> Vec<PathBuf> {
        let names: BTreeSet<&String> = self.weight_map.values().collect();
        names
            .into_iter()
            .map(|name| index.with_file_name(name))
            .collect()
    }
}

impl IndexError {
    fn about(self, file: &Path) -> ClipError {
        ClipError::Broken {
            file: file.to_owned(),
            cause: Box::new(self),
        }
    }
}

/// All files of an index as one.
pub(crate) struct Shards<'bytes> {
    sources: Vec<Box<dyn TensorSource + 'bytes>>,
    /// Which of the sources has each tensor.
    places: BTreeMap<String, usize>,
    entries: BTreeMap<String, Entry>,
}

impl<'bytes> Shards<'bytes> {
    /// Joins opened files, which are in the order of [`ShardIndex::shards`].
    ///
    /// # Errors
    /// If a file does not have a tensor that is listed in the index.
    pub(crate) fn join(
        file: &Path,
        index: &ShardIndex,
        sources: Vec<Box<dyn TensorSource + 'bytes>>,
    ) -> Result<Self, ClipError> {
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let numbers: BTreeMap<&String, usize> = names.into_iter().zip(0..).collect();
        let (mut places, mut entries) = (BTreeMap::new(), BTreeMap::new());
        for (number, source) in sources.iter().enumerate() {
            for (name, entry) in source.entries() {
                places.insert(name.clone(), number);
                entries.insert(name.clone(), entry.clone());
            }
        }
        for (tensor, shard) in &index.weight_map {
            let there = numbers
                .get(shard)
                .and_then(|&number| sources.get(number))
                .is_some_and(|source| source.entries().contains_key(tensor));
            if !there {
                let (tensor, shard) = (tensor.clone(), shard.clone());
                return Err(IndexError::NotThere { tensor, shard }.about(file));
            }
            places.insert(tensor.clone(), numbers[shard]);
        }
        Ok(Self {
            sources,
            places,
            entries,
        })
    }
}

impl TensorSource for Shards<'_> {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.sources
            .iter()
            .flat_map(|source| source.metadata())
            .collect()
    }

    fn identity(&self, name: &str) -> String {
        match self.places.get(name) {
            Some(&place) => format!("{place} {}", self.sources[place].identity(name)),
            None => name.to_owned(),
        }
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let place = self.places.get(name).copied().unwrap_or(0);
        self.sources[place].read(name)
    }
}
