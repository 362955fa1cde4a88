//! Weights in PyTorch's zip archives: OpenAI's TorchScript `.pt` files and saved state dictionaries.
//!
//! tch hands out the parameters of a TorchScript module but not its buffers, and the running statistics
//! of batch normalisation are buffers; therefore the archive is read here.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};
use thiserror::Error;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, PickleError, StoredTensor};
use super::source::{Entry, Numbers, TensorSource};
use crate::clip::error::ClipError;

/// What every zip archive starts with.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// Why a PyTorch file cannot be read.
#[derive(Debug, Error)]
pub(crate) enum TorchFileError {
    #[error("the zip archive is broken")]
    Zip(#[from] zip::result::ZipError),
    #[error("the zip archive ends too early")]
    Read(#[from] std::io::Error),
    #[error("the archive has no data.pkl")]
    NoPickle,
    #[error("`{0}` is compressed, which PyTorch never does")]
    Compressed(String),
    #[error("its numbers are big-endian")]
    BigEndian,
    #[error(transparent)]
    Pickle(#[from] PickleError),
    #[error("it is a pickle, but not one that torch.save wrote")]
    NoTorchPickle,
    #[error("the file ends before the numbers of storage {0}")]
    NoStorage(String),
    #[error("`{0}` reaches outside of its storage")]
    OutOfBounds(String),
    #[error("libtorch failed while copying weights")]
    Torch(#[from] tch::TchError),
}

impl TorchFileError {
    /// The error that `file` is broken.
    pub(super) fn about(self, file: &Path) -> ClipError {
        ClipError::Broken {
            file: file.to_owned(),
            cause: Box::new(self),
        }
    }
}

/// An open archive.
#[derive(Debug)]
pub(crate) struct TorchArchive<'bytes> {
    file: PathBuf,
    archive: ZipArchive<Cursor<&'bytes [u8]>>,
    /// The maximum size of a part of the archive in bytes.
    limit: usize,
    /// The folder in the archive that contains everything.
    folder: String,
    stored: BTreeMap<String, StoredTensor>,
    entries: BTreeMap<String, Entry>,
}

impl<'bytes> TorchArchive<'bytes> {
    /// Lists all tensors, parameters and buffers alike.
    ///
    /// # Errors
    /// When the archive or its pickle is broken.
    pub(crate) fn open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, ClipError> {
        Self::try_open(file, bytes).map_err(|cause| cause.about(file))
    }

    fn try_open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, TorchFileError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        let pickle = archive
            .file_names()
            .find(|name| name.ends_with("/data.pkl"))
            .map(str::to_owned);
        let pickle = pickle.ok_or(TorchFileError::NoPickle)?;
        let folder = pickle.trim_end_matches("data.pkl").to_owned();
        let order = format!("{folder}byteorder");
        if archive.file_names().any(|name| name == order)
            && part(&mut archive, &order, bytes.len())?.starts_with(b"big")
        {
            return Err(TorchFileError::BigEndian);
        }
        let pickle = part(&mut archive, &pickle, bytes.len())?;
        let (pickle, _) = pickle::read(&pickle)?;
        Ok(Self {
            file: file.to_owned(),
            archive,
            limit: bytes.len(),
            folder,
            entries: entries(&pickle.tensors),
            stored: pickle.tensors,
        })
    }
}

impl TensorSource for TorchArchive<'_> {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn is_same(&self, first: &str, second: &str) -> bool {
        self.stored.get(first) == self.stored.get(second)
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let mut read = || {
            let place = find(&self.stored, name)?;
            let storage = format!("{}data/{}", self.folder, place.storage);
            load(name, place, &part(&mut self.archive, &storage, self.limit)?)
        };
        read().map_err(|cause| cause.about(&self.file))
    }
}

fn part(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>, TorchFileError> {
    let file = archive.by_name(name)?;
    if file.compression() != CompressionMethod::Stored {
        return Err(TorchFileError::Compressed(name.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The number types and shapes of the tensors in a pickle.
pub(super) fn entries(stored: &BTreeMap<String, StoredTensor>) -> BTreeMap<String, Entry> {
    let entry = |tensor: &StoredTensor| Entry {
        numbers: tensor.numbers.clone(),
        shape: tensor.shape.clone(),
    };
    let entries = stored.iter();
    entries
        .map(|(name, tensor)| (name.clone(), entry(tensor)))
        .collect()
}

/// The tensor with this name.
pub(super) fn find<'a>(
    stored: &'a BTreeMap<String, StoredTensor>,
    name: &str,
) -> Result<&'a StoredTensor, TorchFileError> {
    let missing = || TorchFileError::NoStorage(name.to_owned());
    stored.get(name).ok_or_else(missing)
}

/// The tensor at a place in the bytes of its storage.
pub(super) fn load(
    name: &str,
    place: &StoredTensor,
    storage: &[u8],
) -> Result<Tensor, TorchFileError> {
    let Numbers::Float(kind) = place.numbers else {
        return Err(TorchFileError::OutOfBounds(name.to_owned()));
    };
    let length = storage.len() / kind.elt_size_in_bytes();
    if last_index(place).is_none_or(|last| last >= length as i64) {
        return Err(TorchFileError::OutOfBounds(name.to_owned()));
    }
    Ok(from_bytes(storage, length, kind)?
        .f_as_strided(&place.shape, &place.strides, place.offset)?
        .f_contiguous()?)
}

fn from_bytes(storage: &[u8], length: usize, kind: Kind) -> Result<Tensor, tch::TchError> {
    let bytes = &storage[..length * kind.elt_size_in_bytes()];
    Tensor::f_from_data_size(bytes, &[length as i64], kind)
}

/// The last index of the storage that the tensor uses; `None` if its shape or strides are not valid.
fn last_index(place: &StoredTensor) -> Option<i64> {
    if place.shape.len() != place.strides.len() || place.offset < 0 {
        return None;
    }
    let steps = place.shape.iter().zip(&place.strides);
    steps
        .into_iter()
        .try_fold(place.offset, |last, (&size, &stride)| {
            if size < 1 || stride < 0 {
                return None;
            }
            last.checked_add((size - 1).checked_mul(stride)?)
        })
}
