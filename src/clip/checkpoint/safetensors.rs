//! Weights in the safetensors format.
//!
//! A tensor of bytes, `I8`, stands for floats with the help of a second tensor: row `n` of `NAME` times number
//! `n` of `NAME.scale`, which is of a float kind and has a number for each row. No number is off by more
//! than half of its scale, and the file has half the size of one in 16-bit floats.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, TchError, Tensor};

use super::Checkpoint;
use crate::clip::error::ClipError;

/// What the name of a tensor of scales ends with.
pub const SCALE: &str = ".scale";

/// Reads all float tensors, those that are stored as bytes and scales, and the header's metadata; other
/// tensors, such as position ids, are skipped.
///
/// # Errors
/// When the file is broken, or bytes have no scales.
pub fn read(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    let broken = |cause| ClipError::Broken {
        file: file.to_owned(),
        cause: Box::new(cause),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let metadata = header
        .metadata()
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()));
    let (mut tensors, mut quantized) = (BTreeMap::new(), BTreeMap::new());
    for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.tensors() {
        let Some(kind) = kind(view.dtype()) else {
            continue;
        };
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .map_err(ClipError::while_doing("copying weights"))?;
        if kind == Kind::Int8 {
            quantized.insert(name, tensor);
        } else {
            tensors.insert(name, tensor);
        }
    }
    let mut checkpoint = Checkpoint {
        file: file.to_owned(),
        tensors,
        metadata: metadata.collect(),
    };
    for (name, whole) in quantized {
        let rows = whole.size().first().copied().unwrap_or(1);
        let scale_name = format!("{name}{SCALE}");
        let scale = checkpoint.tensor(&scale_name, &[rows])?;
        let floats =
            dequantize(&whole, &scale).map_err(ClipError::while_doing("scaling weights"))?;
        checkpoint.tensors.remove(&scale_name);
        checkpoint.tensors.insert(name, floats);
    }
    Ok(checkpoint)
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

fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F64 => Some(Kind::Double),
        Dtype::I8 => Some(Kind::Int8),
        _ => None,
    }
}
