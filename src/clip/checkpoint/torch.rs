//! Weights in PyTorch's zip archives: OpenAI's TorchScript `.pt` files and saved state dictionaries.
//!
//! tch hands out the parameters of a TorchScript module but not its buffers, and the running statistics
//! of batch normalisation are buffers; therefore the archive is read here.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use tch::{Kind, Tensor};
use thiserror::Error;
use zip::{CompressionMethod, ZipArchive};

use super::Checkpoint;
use super::pickle::{PickleError, StoredTensor, read_tensors};
use crate::clip::error::ClipError;

/// What every zip archive starts with.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// Why an archive cannot be read.
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
    #[error(transparent)]
    Pickle(#[from] PickleError),
    #[error("`{0}` reaches outside of its storage")]
    OutOfBounds(String),
    #[error("libtorch failed while copying weights")]
    Torch(#[from] tch::TchError),
}

/// Reads all float tensors, parameters and buffers alike.
pub(crate) fn read(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    let broken = |cause: TorchFileError| ClipError::Broken {
        file: file.to_owned(),
        cause: Box::new(cause),
    };
    let tensors = read_archive(bytes).map_err(broken)?;
    Ok(Checkpoint {
        file: file.to_owned(),
        tensors,
        metadata: BTreeMap::new(),
    })
}

fn read_archive(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, TorchFileError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let pickle = archive
        .file_names()
        .find(|name| name.ends_with("/data.pkl"))
        .map(str::to_owned);
    let pickle = pickle.ok_or(TorchFileError::NoPickle)?;
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    let stored = read_tensors(&entry(&mut archive, &pickle, bytes.len())?)?;
    let mut tensors = BTreeMap::new();
    for (name, place) in stored {
        let Some(kind) = place.kind else { continue };
        let storage = entry(
            &mut archive,
            &format!("{folder}data/{}", place.storage),
            bytes.len(),
        )?;
        tensors.insert(name.clone(), load(&name, &place, kind, &storage)?);
    }
    Ok(tensors)
}

fn entry(
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

fn load(
    name: &str,
    place: &StoredTensor,
    kind: Kind,
    storage: &[u8],
) -> Result<Tensor, TorchFileError> {
    let length = storage.len() / kind.elt_size_in_bytes();
    if last_index(place).is_none_or(|last| last >= length as i64) {
        return Err(TorchFileError::OutOfBounds(name.to_owned()));
    }
    let whole = Tensor::f_from_data_size(
        &storage[..length * kind.elt_size_in_bytes()],
        &[length as i64],
        kind,
    )?;
    Ok(whole
        .f_as_strided(&place.shape, &place.strides, place.offset)?
        .f_contiguous()?)
}

/// The last number of the storage that the tensor uses, or nothing where that is no number.
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
