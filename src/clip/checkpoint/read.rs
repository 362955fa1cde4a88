//! Reads a weight file of any format and layout.

use std::path::Path;

use super::Checkpoint;
use super::folder::weights_file;
use super::hugging_face;
use super::legacy::{self, LegacyFile};
use super::names::{self, Located, NotLocated, described_names};
use super::safetensors::SafetensorsFile;
use super::shards::{ShardIndex, Shards, is_index};
use super::source::{Numbers, TensorSource};
use super::tensors::read_bytes;
use super::torch::{self, TorchArchive};
use crate::clip::error::ClipError;

/// Reads the weights at a path: a file, a folder, or the index of several files.
///
/// # Errors
/// If they cannot be read, are not those of exactly one CLIP model, or have further tensors that may belong to it.
pub(crate) fn read_checkpoint(path: &Path) -> Result<Checkpoint, ClipError> {
    let file = weights_file(path)?;
    if !is_index(&file) {
        return read_checkpoint_bytes(&file, &read_bytes(&file)?);
    }
    let index = ShardIndex::read(&file)?;
    let shards = index.shards(&file);
    let contents = shards.iter().map(|shard| read_bytes(shard));
    let contents = contents.collect::<Result<Vec<_>, _>>()?;
    let opened = shards.iter().zip(&contents);
    let opened = opened.map(|(shard, bytes)| open(shard, bytes));
    let mut joined = Shards::join(&file, &index, opened.collect::<Result<_, _>>()?)?;
    from_source(&file, &mut joined)
}

/// Reads a weight file that is in memory.
///
/// # Errors
/// As [`read_checkpoint`].
pub(crate) fn read_checkpoint_bytes(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    from_source(file, &mut *open(file, bytes)?)
}

fn open<'bytes>(
    file: &Path,
    bytes: &'bytes [u8],
) -> Result<Box<dyn TensorSource + 'bytes>, ClipError> {
    if bytes.starts_with(torch::MAGIC) {
        Ok(Box::new(TorchArchive::open(file, bytes)?))
    } else if legacy::is_pickle(bytes) {
        Ok(Box::new(LegacyFile::open(file, bytes)?))
    } else if bytes.get(8) == Some(&b'{') {
        Ok(Box::new(SafetensorsFile::open(file, bytes)?))
    } else if bytes.is_empty() {
        Err(ClipError::Empty {
            file: file.to_owned(),
        })
    } else {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
        Err(ClipError::NotWeights {
            file: file.to_owned(),
            start,
        })
    }
}

/// Reads the model among the tensors of a file and gives them OpenAI's names.
fn from_source(file: &Path, source: &mut dyn TensorSource) -> Result<Checkpoint, ClipError> {
    let located = names::locate(source).map_err(|cause| not_located(file, source, cause))?;
    check_beside(file, source, &located)?;
    let mut checkpoint = Checkpoint::new(file);
    checkpoint.metadata = source.metadata();
    for (name, original) in &located.names {
        let numbers = source.entries()[original].numbers.clone();
        if matches!(numbers, Numbers::Float(_) | Numbers::Quantized) {
            let tensor = source.read(original)?;
            checkpoint.tensors.insert(name.clone(), tensor);
        } else {
            checkpoint.unread.insert(name.clone(), numbers);
        }
    }
    checkpoint.file_names = located.names;
    if hugging_face::recognizes(&checkpoint) {
        hugging_face::rename(&mut checkpoint)
            .map_err(ClipError::while_doing("joining attention weights"))?;
    }
    Ok(checkpoint)
}

fn not_located(file: &Path, source: &dyn TensorSource, cause: NotLocated) -> ClipError {
    let file = file.to_owned();
    let reason = match cause {
        NotLocated::SeveralModels(places) => return ClipError::SeveralModels { file, places },
        NotLocated::NoModel => format!(
            "it has {}, and nothing like `visual.proj` and `token_embedding.weight`",
            described_names(source.entries().keys().collect())
        ),
        NotLocated::OnlyImage(name) => {
            format!("it has an image tower, with `{name}`, but no text tower; save the whole model")
        }
        NotLocated::OnlyText(name) => {
            format!("it has a text tower, with `{name}`, but no image tower; save the whole model")
        }
        NotLocated::Adapters(name) => format!(
            "`{name}` is part of a LoRA adapter; merge it into the weights (`merge_and_unload()` in PEFT) and save the \
             whole model"
        ),
    };
    ClipError::UnknownArchitecture { file, reason }
}

/// Rejects a file with weights outside of the model, because they may be a part of it.
fn check_beside(
    file: &Path,
    source: &dyn TensorSource,
    located: &Located,
) -> Result<(), ClipError> {
    let entries = source.entries();
    let is_weight = |name: &&String| !matches!(entries[*name].numbers, Numbers::Integer(_));
    let mut weights = located.beside.iter().filter(is_weight);
    match weights.next() {
        None => Ok(()),
        Some(first) => Err(ClipError::UnusedTensor {
            file: file.to_owned(),
            tensor: first.clone(),
            shape: entries[first].shape.clone(),
            others: weights.count(),
        }),
    }
}
