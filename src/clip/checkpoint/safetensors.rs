//! Weights in the safetensors format.
//!
//! A tensor of bytes, `I8`, stands for floats with the help of a second tensor: row `n` of `NAME` times number
//! `n` of `NAME.scale`, which is of a float kind and has a number for each row. No number is off by more
//! than half of its scale, and the file has half the size of one in 16-bit floats.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, TchError, Tensor};

use super::Checkpoint;
use super::source::{Entry, Numbers, TensorSource};
use crate::clip::error::ClipError;

/// What the name of a tensor of scales ends with.
pub const SCALE: &str = ".scale";

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
    /// Without the scales.
    entries: BTreeMap<String, Entry>,
}

impl<'bytes> SafetensorsFile<'bytes> {
    /// Lists all tensors.
    ///
    /// # Errors
    /// When the file is broken.
    pub(crate) fn open(file: &Path, bytes: &'bytes [u8]) -> Result<Self, ClipError> {
        let broken = |cause| ClipError::Broken {
            file: file.to_owned(),
            cause: Box::new(cause),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let metadata = header.metadata().iter().flatten();
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let mut entries = BTreeMap::new();
        for (name, view) in tensors.iter() {
            let entry = Entry {
                numbers: numbers(view.dtype()),
                shape: view.shape().iter().map(|&size| size as i64).collect(),
            };
            entries.insert(name.to_owned(), entry);
        }
        let quantized = |(name, entry): (&String, &Entry)| {
            (entry.numbers == Numbers::Quantized).then(|| format!("{name}{SCALE}"))
        };
        let scales: Vec<String> = entries.iter().filter_map(quantized).collect();
        for scale in scales {
            entries.remove(&scale);
        }
        Ok(Self {
            file: file.to_owned(),
            metadata: metadata
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            tensors,
            entries,
        })
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

    fn missing(&self, name: &str, expected: Vec<i64>) -> ClipError {
        ClipError::MissingTensor {
            file: self.file.clone(),
            tensor: name.to_owned(),
            expected,
        }
    }
}

impl TensorSource for SafetensorsFile<'_> {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone()
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        let tensor = self.stored(name)?;
        let tensor = tensor.ok_or_else(|| self.missing(name, Vec::new()))?;
        if tensor.kind() != Kind::Int8 {
            return Ok(tensor);
        }
        let rows = vec![tensor.size().first().copied().unwrap_or(1)];
        let scale_name = format!("{name}{SCALE}");
        let scale = self.stored(&scale_name)?;
        let scale = scale.ok_or_else(|| self.missing(&scale_name, rows.clone()))?;
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
