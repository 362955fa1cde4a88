//! Files of named tensors with facts about them, in the safetensors format.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

/// What was read.
#[derive(Debug)]
pub struct TensorFile {
    /// Where it was read from, for errors.
    pub path: PathBuf,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// What the header says.
    pub facts: BTreeMap<String, String>,
}

impl TensorFile {
    /// The tensor of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn tensor(&self, name: &str) -> anyhow::Result<&Tensor> {
        let tensor = self.tensors.get(name);
        tensor.ok_or_else(|| anyhow!("{} has no tensor {name}", self.path.display()))
    }

    /// The fact of this name as a number.
    ///
    /// # Errors
    /// When there is none, or it is no number.
    pub fn number(&self, name: &str) -> anyhow::Result<u64> {
        let fact = self.facts.get(name);
        let fact =
            fact.ok_or_else(|| anyhow!("{} does not tell its {name}", self.path.display()))?;
        fact.parse()
            .with_context(|| format!("the {name} of {} is `{fact}`", self.path.display()))
    }
}

/// Reads a file whole.
///
/// # Errors
/// When it cannot be read or is no such file.
pub fn read(path: &Path) -> anyhow::Result<TensorFile> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let facts = header.metadata().iter().flatten();
    let facts = facts
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.tensors() {
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let kind = match view.dtype() {
            Dtype::F16 => Kind::Half,
            Dtype::F32 => Kind::Float,
            other => anyhow::bail!("{name} in {} is of kind {other:?}", path.display()),
        };
        tensors.insert(name, Tensor::f_from_data_size(view.data(), &shape, kind)?);
    }
    Ok(TensorFile {
        path: path.to_owned(),
        tensors,
        facts,
    })
}

/// Writes tensors as 32-bit numbers. The file appears whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    facts: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut parts = Vec::new();
    for (name, tensor) in tensors {
        let tensor = tensor
            .detach()
            .to_device(tch::Device::Cpu)
            .to_kind(Kind::Float);
        let mut numbers = vec![0.0_f32; tensor.numel()];
        tensor
            .contiguous()
            .f_copy_data(&mut numbers, tensor.numel())?;
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        parts.push((name, shape, bytes));
    }
    let views = parts
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let facts: HashMap<_, _> = facts
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let bytes = safetensors::serialize(views, Some(facts))?;
    let unfinished = path.with_extension("part");
    fs::write(&unfinished, bytes).with_context(|| format!("writing {}", unfinished.display()))?;
    fs::rename(&unfinished, path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}
