//! Weights in PyTorch's zip archives: OpenAI's TorchScript `.pt` files and saved state dictionaries.
//!
//! tch hands out the parameters of a TorchScript module but not its buffers, and the running statistics
//! of batch normalisation are buffers; therefore the archive is read here.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use tch::Tensor;
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
    // Only the part that the tensor uses is copied: many small tensors may share one large storage.
    let size = kind.elt_size_in_bytes();
    let used = last_index(place).and_then(|last| {
        let first = usize::try_from(place.offset).ok()?.checked_mul(size)?;
        let end = usize::try_from(last)
            .ok()?
            .checked_add(1)?
            .checked_mul(size)?;
        storage.get(first..end)
    });
    let used = used.ok_or_else(|| TorchFileError::OutOfBounds(name.to_owned()))?;
    let count = (used.len() / size) as i64;
    Ok(Tensor::f_from_data_size(used, &[count], kind)?
        .f_as_strided(&place.shape, &place.strides, 0)?
        .f_contiguous()?)
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

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn place(offset: i64, shape: &[i64], strides: &[i64]) -> StoredTensor {
        StoredTensor {
            storage: "0".to_owned(),
            numbers: Numbers::Float(Kind::Float),
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn a_tensor_is_the_part_of_its_storage_that_offset_and_strides_say() {
        let storage: Vec<u8> = (0..8_u8)
            .flat_map(|number| f32::from(number).to_le_bytes())
            .collect();
        let numbers = |place: &StoredTensor| -> Vec<f32> {
            let tensor = load("x", place, &storage).unwrap();
            assert_eq!(tensor.size(), place.shape);
            tensor.flatten(0, -1).try_into().unwrap()
        };
        assert_eq!(numbers(&place(2, &[2, 2], &[1, 2])), [2.0, 4.0, 3.0, 5.0]);
        assert_eq!(numbers(&place(7, &[], &[])), [7.0]);
        assert_eq!(numbers(&place(1, &[3, 1], &[3, 99])), [1.0, 4.0, 7.0]);
        assert_eq!(numbers(&place(3, &[2], &[0])), [3.0, 3.0]);
        for outside in [
            place(8, &[1], &[1]),
            place(1, &[3], &[4]),
            place(-1, &[1], &[1]),
            place(0, &[2], &[-1]),
            place(0, &[0], &[1]),
            place(0, &[2], &[]),
            place(i64::MAX, &[2], &[i64::MAX]),
        ] {
            let error = load("x", &outside, &storage).unwrap_err();
            assert!(
                matches!(error, TorchFileError::OutOfBounds(_)),
                "{outside:?}"
            );
        }
    }
}
