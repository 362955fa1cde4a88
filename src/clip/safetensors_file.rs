//! Weights in the safetensors format.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use super::checkpoint::Checkpoint;
use super::error::ClipError;

/// Reads all float tensors and the header's facts; other tensors, such as position ids, are skipped.
pub(crate) fn read(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    let broken = |cause| ClipError::Broken {
        file: file.to_owned(),
        cause: Box::new(cause),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let facts = header
        .metadata()
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()));
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(broken)?.tensors() {
        let Some(kind) = float_kind(view.dtype()) else {
            continue;
        };
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .map_err(ClipError::while_doing("copying weights"))?;
        tensors.insert(name, tensor);
    }
    Ok(Checkpoint {
        file: file.to_owned(),
        tensors,
        facts: facts.collect(),
    })
}

fn float_kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}
