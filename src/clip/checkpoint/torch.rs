//! Weights in PyTorch's zip archives: OpenAI's TorchScript `.pt` files and saved state dictionaries.
//!
//! tch hands out the parameters of a TorchScript module but not its buffers, and the running statistics
//! of batch normalisation are buffers; therefore the archive is read here.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::ops::Range;
use std::path::{Path, PathBuf};

use tch::{Device, Tensor};
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
    Read(#[from] io::Error),
    #[error("the zip archive ends before the contents of `{0}`")]
    NoContents(String),
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
    #[error("it has no tensor `{0}`")]
    NoTensor(String),
    #[error("the numbers of `{0}` are not floats")]
    NotFloats(String),
    #[error("`{0}` reaches outside of its storage")]
    OutOfBounds(String),
    #[error("libtorch failed while copying weights")]
    Torch(#[from] tch::TchError),
}

impl TorchFileError {
    /// The error that `file` is broken, or too large to be read.
    pub(super) fn about(self, file: &Path) -> ClipError {
        let file = file.to_owned();
        match self {
            Self::Pickle(cause @ (PickleError::TooManyValues | PickleError::TooLarge)) => {
                ClipError::UnknownArchitecture {
                    file,
                    reason: cause.to_string(),
                }
            }
            cause => ClipError::Broken {
                file,
                cause: Box::new(cause),
            },
        }
    }
}

/// An open archive.
#[derive(Debug)]
pub(crate) struct TorchArchive<'bytes> {
    file: PathBuf,
    parts: Parts<'bytes>,
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
        let mut parts = Parts::open(bytes)?;
        let pickle = parts
            .names()
            .find(|name| name.ends_with("/data.pkl"))
            .map(str::to_owned);
        let pickle = pickle.ok_or(TorchFileError::NoPickle)?;
        let folder = pickle.trim_end_matches("data.pkl").to_owned();
        let order = format!("{folder}byteorder");
        if parts.names().any(|name| name == order) && parts.contents(&order)?.starts_with(b"big") {
            return Err(TorchFileError::BigEndian);
        }
        let (pickle, _) = pickle::read(parts.contents(&pickle)?)?;
        Ok(Self {
            file: file.to_owned(),
            parts,
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

    fn identity(&self, name: &str) -> String {
        identity(&self.stored, name)
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let mut read = || {
            let place = find(&self.stored, name)?;
            let storage = format!("{}data/{}", self.folder, place.storage);
            load(name, place, self.parts.contents(&storage)?)
        };
        read().map_err(|cause| cause.about(&self.file))
    }
}

/// The parts of an archive by their names.
#[derive(Debug)]
struct Parts<'bytes> {
    bytes: &'bytes [u8],
    archive: ZipArchive<Cursor<&'bytes [u8]>>,
    /// The parts whose checksums have been compared. Many tensors may share a part.
    checked: BTreeMap<String, &'bytes [u8]>,
}

impl<'bytes> Parts<'bytes> {
    fn open(bytes: &'bytes [u8]) -> Result<Self, TorchFileError> {
        Ok(Self {
            bytes,
            archive: ZipArchive::new(Cursor::new(bytes))?,
            checked: BTreeMap::new(),
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.archive.file_names()
    }

    /// The contents of a part, which are not copied.
    fn contents(&mut self, name: &str) -> Result<&'bytes [u8], TorchFileError> {
        if let Some(known) = self.checked.get(name) {
            return Ok(known);
        }
        let mut part = self.archive.by_name(name)?;
        if part.compression() != CompressionMethod::Stored {
            return Err(TorchFileError::Compressed(name.to_owned()));
        }
        let start = usize::try_from(part.data_start()).ok();
        let contents = start.and_then(|start| {
            let length = usize::try_from(part.compressed_size()).ok()?;
            self.bytes.get(start..start.checked_add(length)?)
        });
        let contents = contents.ok_or_else(|| TorchFileError::NoContents(name.to_owned()))?;
        // The crate compares the checksum at the end of the contents.
        io::copy(&mut part, &mut io::sink())?;
        self.checked.insert(name.to_owned(), contents);
        Ok(contents)
    }
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

/// What tells a tensor from all others: the position of its numbers, not its name.
pub(super) fn identity(stored: &BTreeMap<String, StoredTensor>, name: &str) -> String {
    format!("{:?}", stored.get(name))
}

/// The tensor with this name.
pub(super) fn find<'a>(
    stored: &'a BTreeMap<String, StoredTensor>,
    name: &str,
) -> Result<&'a StoredTensor, TorchFileError> {
    let missing = || TorchFileError::NoTensor(name.to_owned());
    stored.get(name).ok_or_else(missing)
}

/// The tensor at a place in the bytes of its storage. It owns a copy of its own numbers only, because a storage
/// may be shared by all tensors of a file.
pub(super) fn load(
    name: &str,
    place: &StoredTensor,
    storage: &[u8],
) -> Result<Tensor, TorchFileError> {
    let Numbers::Float(kind) = place.numbers else {
        return Err(TorchFileError::NotFloats(name.to_owned()));
    };
    if place.shape.contains(&0) {
        return Ok(Tensor::f_empty(&place.shape, (kind, Device::Cpu))?);
    }
    let own = own_bytes(place, kind.elt_size_in_bytes()).and_then(|range| storage.get(range));
    let own = own.ok_or_else(|| TorchFileError::OutOfBounds(name.to_owned()))?;
    let count = (own.len() / kind.elt_size_in_bytes()) as i64;
    let tensor = Tensor::f_from_data_size(own, &[count], kind)?
        .f_as_strided(&place.shape, &place.strides, 0)?
        .f_contiguous()?;
    Ok(if place.is_negated {
        tensor.f_neg()?
    } else {
        tensor
    })
}

/// The bytes of the storage from the first number of the tensor to its last; `None` if its shape or strides are not
/// valid.
fn own_bytes(place: &StoredTensor, element_size: usize) -> Option<Range<usize>> {
    let byte = |index: i64| usize::try_from(index).ok()?.checked_mul(element_size);
    Some(byte(place.offset)?..byte(last_index(place)?.checked_add(1)?)?)
}

/// The last index of the storage that the tensor uses; `None` if its shape or strides are not valid.
fn last_index(place: &StoredTensor) -> Option<i64> {
    if place.shape.len() != place.strides.len() {
        return None;
    }
    let mut steps = place.shape.iter().zip(&place.strides);
    steps.try_fold(place.offset, |last, (&size, &stride)| {
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
            is_negated: false,
        }
    }

    fn storage(length: u8) -> Vec<u8> {
        (0..length)
            .flat_map(|number| f32::from(number).to_le_bytes())
            .collect()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn a_tensor_keeps_no_more_of_a_shared_storage_than_its_own_numbers() {
        let storage = storage(64);
        for (offset, strides, expected) in [
            (0, [2, 1], [0.0, 1.0, 2.0, 3.0]),
            (40, [2, 1], [40.0, 41.0, 42.0, 43.0]),
            (60, [1, 2], [60.0, 62.0, 61.0, 63.0]),
            (10, [16, 8], [10.0, 18.0, 26.0, 34.0]),
            (7, [0, 0], [7.0; 4]),
        ] {
            let tensor = load("a", &place(offset, &[2, 2], &strides), &storage).unwrap();
            assert_eq!(numbers(&tensor), expected);
            assert!(tensor.f_as_strided([4], [1], 0).is_ok());
            // libtorch refuses a view of more numbers than the storage of the tensor has.
            assert!(tensor.f_as_strided([5], [1], 0).is_err(), "{offset}");
        }
    }

    #[test]
    fn the_negative_bit_of_a_tensor_changes_its_signs() {
        let negated = StoredTensor {
            is_negated: true,
            ..place(1, &[2], &[1])
        };
        let tensor = load("a", &negated, &storage(4)).unwrap();
        assert_eq!(numbers(&tensor), [-1.0, -2.0]);
    }

    #[test]
    fn a_pickle_beyond_a_limit_is_not_called_broken() {
        for cause in [PickleError::TooManyValues, PickleError::TooLarge] {
            let error = TorchFileError::Pickle(cause).about(Path::new("x"));
            let text = error.to_string();
            assert!(text.contains("save only the state dictionary"), "{text}");
            assert!(!text.contains("broken"), "{text}");
        }
    }

    #[test]
    fn an_empty_tensor_needs_no_storage() {
        let tensor = load("a", &place(0, &[0], &[1]), &[]).unwrap();
        assert_eq!(tensor.size(), [0]);
    }

    #[test]
    fn a_tensor_outside_of_its_storage_is_refused() {
        for place in [
            place(61, &[2, 2], &[2, 1]),
            place(-1, &[2, 2], &[2, 1]),
            place(0, &[2, 2], &[i64::MAX, 1]),
            place(i64::MAX, &[2, 2], &[2, 1]),
            place(0, &[2, 2], &[-2, 1]),
            place(0, &[2], &[2, 1]),
        ] {
            let error = load("a", &place, &storage(64)).unwrap_err();
            assert!(matches!(error, TorchFileError::OutOfBounds(_)), "{place:?}");
        }
        let whole = StoredTensor {
            numbers: Numbers::Integer("int64".to_owned()),
            ..place(0, &[1], &[1])
        };
        let error = load("a", &whole, &storage(64)).unwrap_err();
        assert_eq!(error.to_string(), "the numbers of `a` are not floats");
    }
}
