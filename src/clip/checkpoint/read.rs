//! Reads a weight file of any format and layout.

use std::path::Path;

use thiserror::Error;

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
use crate::clip::error::{ClipError, prefix_list};

/// How many times the bytes of a file its tensors may take in memory: numbers of 8 bits become floats of 32.
/// A hostile file of a few bytes could otherwise claim a tensor of any size, by a stride of zero.
const EXPANSION: usize = 4;

/// The bytes that the tensors of any file may take, however small it is: a saved tensor may repeat its numbers.
const ALLOWANCE: usize = 1 << 26;

/// Why the tensors that a file claims to have are not read.
#[derive(Debug, Error)]
enum ClaimError {
    #[error("`{tensor}` is empty, {shape:?}")]
    Empty {
        /// The tensor's name in the file.
        tensor: String,
        /// The shape that the file states.
        shape: Vec<i64>,
    },
    #[error("`{tensor}` has the shape {shape:?}, which is not possible for a weight")]
    Shape {
        /// The tensor's name in the file.
        tensor: String,
        /// The shape that the file states.
        shape: Vec<i64>,
    },
    #[error("its tensors would take more than {0} bytes, which is too much for a file of its size")]
    Size(usize),
}

impl ClaimError {
    fn about(self, file: &Path) -> ClipError {
        let file = file.to_owned();
        match self {
            Self::Empty { tensor, shape } => ClipError::EmptyTensor {
                file,
                tensor,
                found: shape,
            },
            cause => ClipError::Broken {
                file,
                cause: Box::new(cause),
            },
        }
    }
}

/// Reads the weights at a path: a file, a folder, or the index of several files. With a prefix, only the tensors whose
/// names have it.
///
/// # Errors
/// If they cannot be read, are not those of exactly one CLIP model, or have further tensors that may belong to it.
pub(crate) fn read_checkpoint(path: &Path, prefix: Option<&str>) -> Result<Checkpoint, ClipError> {
    let file = weights_file(path)?;
    if !is_index(&file) {
        let bytes = read_bytes(&file)?;
        let mut opened = open(&file, &bytes)?;
        return from_source(&file, &mut *opened, bytes.len(), prefix);
    }
    let index = ShardIndex::read(&file)?;
    let shards = index.shards(&file);
    let contents = shards.iter().map(|shard| read_bytes(shard));
    let contents = contents.collect::<Result<Vec<_>, _>>()?;
    let opened = shards.iter().zip(&contents);
    let opened = opened.map(|(shard, bytes)| open(shard, bytes));
    let mut joined = Shards::join(&file, &index, opened.collect::<Result<_, _>>()?)?;
    let size = contents.iter().map(Vec::len).sum();
    from_source(&file, &mut joined, size, prefix)
}

/// Reads a weight file that is in memory.
///
/// # Errors
/// If they are not those of exactly one CLIP model, are broken, or have further tensors that may belong to it.
pub fn read_checkpoint_bytes(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    from_source(file, &mut *open(file, bytes)?, bytes.len(), None)
}

fn open<'bytes>(
    file: &Path,
    bytes: &'bytes [u8],
) -> Result<Box<dyn TensorSource + 'bytes>, ClipError> {
    if bytes.starts_with(torch::MAGIC) {
        Ok(Box::new(TorchArchive::open(file, bytes)?))
    } else if bytes.get(8) == Some(&b'{') {
        // This comes before pickles, because the length of the header may be 0x280, which is how a pickle starts.
        Ok(Box::new(SafetensorsFile::open(file, bytes)?))
    } else if legacy::is_pickle(bytes) {
        Ok(Box::new(LegacyFile::open(file, bytes)?))
    } else if legacy::is_old_pickle(bytes) {
        Err(ClipError::OldPickle {
            file: file.to_owned(),
        })
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

/// Reads the model among the tensors of a file of `size` bytes, or among those whose names have the prefix, and gives
/// them OpenAI's names.
fn from_source(
    file: &Path,
    source: &mut dyn TensorSource,
    size: usize,
    prefix: Option<&str>,
) -> Result<Checkpoint, ClipError> {
    let located = names::locate(source, prefix);
    let located = located.map_err(|cause| not_located(file, source, prefix, cause))?;
    check_beside(file, source, &located)?;
    check_claims(source, &located, size).map_err(|cause| cause.about(file))?;
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

fn not_located(
    file: &Path,
    source: &dyn TensorSource,
    prefix: Option<&str>,
    cause: NotLocated,
) -> ClipError {
    let file = file.to_owned();
    let reason = match cause {
        NotLocated::SeveralModels(places) => return ClipError::SeveralModels { file, places },
        NotLocated::NoSuchPrefix => {
            let prefix = prefix.unwrap_or_default().to_owned();
            let found = match names::locate(source, None) {
                Err(NotLocated::SeveralModels(places)) => {
                    format!("models with the prefixes {}", prefix_list(&places))
                }
                _ => described_names(source.entries().keys().collect()),
            };
            return ClipError::NoSuchPrefix {
                file,
                prefix,
                found,
            };
        }
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

/// Rejects a file whose header claims tensors that it cannot have, before memory is taken for them.
fn check_claims(
    source: &dyn TensorSource,
    located: &Located,
    size: usize,
) -> Result<(), ClaimError> {
    let limit = size.saturating_mul(EXPANSION).max(ALLOWANCE);
    let mut left = limit;
    for tensor in located.names.values() {
        let entry = &source.entries()[tensor];
        let element = match &entry.numbers {
            Numbers::Float(kind) => kind.elt_size_in_bytes(),
            Numbers::Quantized => size_of::<f32>(),
            Numbers::Integer(_) | Numbers::Unsupported(_) => continue,
        };
        let (tensor, shape) = (tensor.clone(), entry.shape.clone());
        if shape.iter().any(|&size| size < 0) {
            return Err(ClaimError::Shape { tensor, shape });
        }
        if shape.contains(&0) {
            return Err(ClaimError::Empty { tensor, shape });
        }
        let sizes = entry.shape.iter().map(|&size| size as usize);
        let bytes = sizes.fold(element, usize::saturating_mul);
        left = left.checked_sub(bytes).ok_or(ClaimError::Size(limit))?;
    }
    Ok(())
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
            model: located.prefix.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::clip::checkpoint::source::Listed;
    use crate::errors::chain;

    /// Why a file of 100 bytes with these tensors is rejected.
    fn refusal(numbers: &Numbers, shapes: [&[i64]; 2]) -> String {
        let names = ["visual.proj", "token_embedding.weight"];
        let mut source = Listed::new(numbers, names.into_iter().zip(shapes));
        chain(&from_source(Path::new("x"), &mut source, 100, None).unwrap_err())
    }

    #[test]
    fn a_safetensors_file_is_recognized_whatever_the_length_of_its_header() {
        let header = r#"{"visual.proj":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
            "token_embedding.weight":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        for length in [0xb0, 0x100, 0x280, 0x380, 0x480, 0x580, 0x680] {
            let number = 2.5_f32.to_le_bytes();
            let header = format!("{header:length$}");
            let bytes = [
                &(length as u64).to_le_bytes()[..],
                header.as_bytes(),
                &number,
                &number,
            ]
            .concat();
            let checkpoint = read_checkpoint_bytes(Path::new("x"), &bytes).unwrap();
            assert_eq!(checkpoint.tensors["visual.proj"].double_value(&[0]), 2.5);
        }
    }

    #[test]
    fn claims_that_the_file_is_too_small_for_are_rejected_before_memory_is_taken() {
        let size = "its tensors would take more than 67108864 bytes, which is too much for a file of its size";
        for shape in [[1 << 24, 1], [1 << 40, 1], [i64::MAX, i64::MAX]] {
            for numbers in [Numbers::Float(Kind::Float), Numbers::Quantized] {
                let text = refusal(&numbers, [&[1], &shape]);
                assert!(text.ends_with(size), "{text}");
            }
        }
        let together: [&[i64]; 2] = [&[1 << 24], &[(1 << 24) + 1]];
        let text = refusal(&Numbers::Float(Kind::Half), together);
        assert!(text.ends_with(size), "{text}");
        for (shape, reason) in [
            ([0, 1 << 40], "`token_embedding.weight` is empty, [0, "),
            ([1, -1], "`token_embedding.weight` has the shape [1, -1]"),
        ] {
            let text = refusal(&Numbers::Float(Kind::Float), [&[1], &shape]);
            assert!(text.contains(reason), "{text}");
        }
    }
}
