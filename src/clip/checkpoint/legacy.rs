//! The file format of PyTorch before version 1.6, which it still writes on request: pickles one after the
//! other, then the numbers.
//!
//! The pickles are a magic number, the version of the format, facts about the machine, the saved object, and
//! the keys of its storages. The storages follow in their order: the number of elements in eight bytes and then
//! the elements (`torch/serialization.py`, `_legacy_save`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::pickle::{self, Pickle, StoredTensor};
use super::source::{Entry, TensorSource};
use super::torch::{TorchFileError, entries, find, identity, load};
use crate::clip::error::ClipError;

/// The magic number `0x1950a86a20f9469cfc6c` in a pickle: its length, and its bytes in little-endian order.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// The magic number is in the first bytes, after the protocol and, in newer protocols, a frame.
const START: usize = 32;

/// Whether the bytes start with a pickle, of `PyTorch` or of another program.
pub(crate) fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..])
}

/// The magic number in a pickle of protocol 0 or 1, which has it in decimal digits.
const OLD_MAGIC: &[u8] = b"L119547037146038801333356L";

/// Whether the bytes start with a pickle of protocol 0 or 1: one of `PyTorch`, or a dictionary of another program.
pub(crate) fn is_old_pickle(bytes: &[u8]) -> bool {
    [
        OLD_MAGIC,
        b"(dp0\n",
        b"ccollections\nOrderedDict\n",
        b"}q\x00",
    ]
    .iter()
    .any(|start| bytes.starts_with(start))
}

/// An open file of this format.
#[derive(Debug)]
pub(crate) struct LegacyFile<'bytes> {
    file: PathBuf,
    bytes: &'bytes [u8],
    /// The position of the numbers of each storage.
    storages: BTreeMap<String, Range<usize>>,
    stored: BTreeMap<String, StoredTensor>,
    entries: BTreeMap<String, Entry>,
}

impl<'bytes> LegacyFile<'bytes> {
    /// Lists all tensors.
    ///
    /// # Errors
    /// If the file is another program's pickle, or broken.
    pub(crate) fn open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, ClipError> {
        Self::try_open(file, bytes).map_err(|cause| cause.about(file))
    }

    fn try_open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, TorchFileError> {
        let start = &bytes[..bytes.len().min(START)];
        if !start.windows(MAGIC.len()).any(|window| window == MAGIC) {
            return Err(TorchFileError::NoTorchPickle);
        }
        let (_magic, rest) = pickle::read(bytes)?;
        let (_version, rest) = pickle::read(rest)?;
        let (_machine, rest) = pickle::read(rest)?;
        let (saved, rest) = pickle::read(rest)?;
        let (keys, rest) = pickle::read(rest)?;
        Ok(Self {
            file: file.to_owned(),
            bytes,
            storages: storages(&saved, &keys.texts, bytes.len() - rest.len(), bytes)?,
            entries: entries(&saved.tensors),
            stored: saved.tensors,
        })
    }
}

impl TensorSource for LegacyFile<'_> {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn identity(&self, name: &str) -> String {
        identity(&self.stored, name)
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let read = || {
            let place = find(&self.stored, name)?;
            let range = self.storages.get(&place.storage);
            let range = range.ok_or_else(|| TorchFileError::NoStorage(place.storage.clone()))?;
            load(name, place, &self.bytes[range.clone()])
        };
        read().map_err(|cause| cause.about(&self.file))
    }
}

/// The position of each storage; the first begins at `start`.
fn storages(
    saved: &Pickle,
    keys: &[String],
    mut start: usize,
    bytes: &[u8],
) -> Result<BTreeMap<String, Range<usize>>, TorchFileError> {
    /// Size of the number of elements in bytes.
    const LENGTH: usize = 8;
    let mut ranges = BTreeMap::new();
    for key in keys {
        let missing = || TorchFileError::NoStorage(key.clone());
        let info = saved.storages.get(key).ok_or_else(missing)?;
        let length = bytes.get(start..start + LENGTH).ok_or_else(missing)?;
        let length = <[u8; LENGTH]>::try_from(length).map_err(|_| missing())?;
        start += LENGTH;
        let end = usize::try_from(u64::from_le_bytes(length))
            .ok()
            .and_then(|count| count.checked_mul(info.element_size))
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(missing)?;
        ranges.insert(key.clone(), start..end);
        start = end;
    }
    Ok(ranges)
}
