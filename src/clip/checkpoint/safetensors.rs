//! Weights in the safetensors format.
//!
//! A tensor of bytes, `I8`, stands for floats with the help of a second tensor: row `n` of `NAME` times number
//! `n` of `NAME.scale`, which is of a float kind and has a number for each row. No number is off by more
//! than half of its scale, and the file has half the size of one in 16-bit floats.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use tch::{Kind, TchError, Tensor};

use super::Checkpoint;
use super::header::HeaderError;
use super::source::{Entry, Numbers, TensorSource};
use crate::clip::error::ClipError;

/// What the name of a tensor of scales ends with.
pub const SCALE: &str = ".scale";

/// The last part of the name of the scales in a file of bitsandbytes.
const BITSANDBYTES: &str = "SCB";

/// Reads all float tensors, those that are stored as bytes and scales, and the header's metadata; other
/// tensors, such as position ids, are skipped.
///
/// # Errors
/// When the file is broken, or bytes have no scales.
pub fn read(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    let mut source = SafetensorsFile::open(file, bytes)?;
    let names: Vec<String> = source.entries().keys().cloned().collect();
    let mut checkpoint = Checkpoint::new(file);
    checkpoint.metadata = source.metadata();
    for name in names {
        if matches!(
            source.entries[&name].numbers,
            Numbers::Float(_) | Numbers::Quantized
        ) {
            let tensor = source.read(&name)?;
            checkpoint.tensors.insert(name, tensor);
        }
    }
    Ok(checkpoint)
}

/// An open file of this format.
#[derive(Debug)]
pub(crate) struct SafetensorsFile<'bytes> {
    file: PathBuf,
    tensors: SafeTensors<'bytes>,
    metadata: BTreeMap<String, String>,
    /// Further names of tensors. `save_model` of the Python package `safetensors` stores a tensor once, and lists its
    /// other names in the metadata.
    aliases: BTreeMap<String, String>,
    /// Without the scales, and with the aliases.
    entries: BTreeMap<String, Entry>,
}

impl<'bytes> SafetensorsFile<'bytes> {
    /// Lists all tensors.
    ///
    /// # Errors
    /// When the file is broken.
    pub(crate) fn open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, ClipError> {
        let (header, tensors) =
            parse(bytes).map_err(|cause| HeaderError::of(bytes, cause).about(file))?;
        let metadata: BTreeMap<String, String> = header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut entries = own_entries(&tensors);
        let aliases: BTreeMap<String, String> = metadata
            .iter()
            .filter(|(alias, name)| !entries.contains_key(*alias) && entries.contains_key(*name))
            .map(|(alias, name)| (alias.clone(), name.clone()))
            .collect();
        for (alias, name) in &aliases {
            entries.insert(alias.clone(), entries[name].clone());
        }
        Ok(Self {
            file: file.to_owned(),
            tensors,
            metadata,
            aliases,
            entries,
        })
    }

    /// The name under which a tensor is stored.
    fn stored_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// The numbers as they are stored; `None` if there is no such tensor, or libtorch does not have its number type.
    fn stored(&self, name: &str) -> Result<Option<Tensor>, ClipError> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Ok(None);
        };
        let kind = match numbers(view.dtype()) {
            Numbers::Float(kind) => kind,
            Numbers::Quantized => Kind::Int8,
            Numbers::Integer(_) | Numbers::Unsupported(_) => return Ok(None),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        Tensor::f_from_data_size(view.data(), &shape, kind)
            .map(Some)
            .map_err(ClipError::while_doing("copying weights"))
    }
}

fn parse(bytes: &[u8]) -> Result<(Metadata, SafeTensors<'_>), SafeTensorError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    Ok((header, SafeTensors::deserialize(bytes)?))
}

/// All tensors of a file except the scales.
fn own_entries(tensors: &SafeTensors<'_>) -> BTreeMap<String, Entry> {
    let entry = |(name, view): (&str, TensorView<'_>)| {
        let entry = Entry {
            numbers: numbers(view.dtype()),
            shape: view.shape().iter().map(|&size| size as i64).collect(),
        };
        (name.to_owned(), entry)
    };
    let mut entries: BTreeMap<String, Entry> = tensors.iter().map(entry).collect();
    let names: Vec<String> = entries.keys().cloned().collect();
    for name in names {
        if !entries
            .get(&name)
            .is_some_and(|entry| entry.numbers == Numbers::Quantized)
        {
            continue;
        }
        let statistics = name
            .strip_suffix("weight")
            .map(|module| format!("{module}{BITSANDBYTES}"));
        if statistics.is_some_and(|name| entries.contains_key(&name)) {
            let numbers = Numbers::Unsupported("I8 of bitsandbytes".to_owned());
            entries.insert(
                name.clone(),
                Entry {
                    numbers,
                    ..entries[&name].clone()
                },
            );
        } else {
            entries.remove(&format!("{name}{SCALE}"));
        }
    }
    entries
}

impl TensorSource for SafetensorsFile<'_> {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }

    fn identity(&self, name: &str) -> String {
        self.stored_name(name).to_owned()
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let name = self.stored_name(name);
        let tensor = self.stored(name)?.ok_or_else(|| ClipError::MissingTensor {
            file: self.file.clone(),
            tensor: name.to_owned(),
            expected: Vec::new(),
        })?;
        if tensor.kind() != Kind::Int8 {
            return Ok(tensor);
        }
        let rows = vec![tensor.size().first().copied().unwrap_or(1)];
        let scale_name = format!("{name}{SCALE}");
        let scale = self.stored(&scale_name)?;
        let scale = scale.ok_or_else(|| ClipError::MissingScale {
            file: self.file.clone(),
            tensor: name.to_owned(),
            expected: rows.clone(),
        })?;
        if scale.size() != rows {
            return Err(ClipError::WrongShape {
                file: self.file.clone(),
                tensor: scale_name,
                found: scale.size(),
                expected: rows,
            });
        }
        dequantize(&tensor, &scale).map_err(ClipError::while_doing("scaling weights"))
    }
}

/// Each row of `whole` times its number in `scale`, as 32-bit floats.
///
/// # Errors
/// When libtorch fails.
pub fn dequantize(whole: &Tensor, scale: &Tensor) -> Result<Tensor, TchError> {
    let mut column = vec![1; whole.dim().max(1)];
    column[0] = -1;
    let scale = scale.f_to_kind(Kind::Float)?.f_reshape(&column)?;
    whole.f_to_kind(Kind::Float)?.f_mul(&scale)
}

fn numbers(dtype: Dtype) -> Numbers {
    match dtype {
        Dtype::F16 => Numbers::Float(Kind::Half),
        Dtype::BF16 => Numbers::Float(Kind::BFloat16),
        Dtype::F32 => Numbers::Float(Kind::Float),
        Dtype::F64 => Numbers::Float(Kind::Double),
        Dtype::I8 => Numbers::Quantized,
        Dtype::BOOL
        | Dtype::U8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::U64 => Numbers::Integer(dtype.to_string()),
        other => Numbers::Unsupported(other.to_string()),
    }
}
