//! Files of named tensors with facts about them, in the safetensors format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

/// Bytes that a header's length is a multiple of, so that the numbers behind it are aligned.
const ALIGNMENT: usize = 8;
/// Bytes of the number that says how long the header is.
const LENGTH_BYTES: usize = 8;

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
    let tensors = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.to_kind(Kind::Float)))
        .collect();
    write_bytes(path, &bytes(&tensors, facts)?)
}

/// Writes bytes to a file that appears whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    fs::write(&unfinished, bytes).with_context(|| format!("writing {}", unfinished.display()))?;
    fs::rename(&unfinished, path).with_context(|| format!("writing {}", path.display()))
}

/// The bytes of a file with these tensors, which keep their kind of number, and these facts.
///
/// The same tensors and facts give the same bytes; the `safetensors` crate alone would write the facts in
/// a random order.
///
/// # Errors
/// When a tensor is of a kind that the loader does not read, or cannot be copied.
pub fn bytes(
    tensors: &BTreeMap<String, Tensor>,
    facts: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<u8>> {
    let mut parts = Vec::new();
    for (name, tensor) in tensors {
        let dtype = match tensor.kind() {
            Kind::Half => Dtype::F16,
            Kind::Int8 => Dtype::I8,
            Kind::Float => Dtype::F32,
            other => anyhow::bail!("{name} is of kind {other:?}"),
        };
        let count = tensor.numel();
        let mut bytes = vec![0; count * dtype.bitsize() / 8];
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        tensor.f_copy_data_u8(&mut bytes, count)?;
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        parts.push((name, dtype, shape, bytes));
    }
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)?;
    Ok(if facts.is_empty() {
        bytes
    } else {
        with_facts(&bytes, facts)
    })
}

/// Puts facts in front of a header that has none.
fn with_facts(bytes: &[u8], facts: &BTreeMap<String, String>) -> Vec<u8> {
    let (length, rest) = bytes.split_at(LENGTH_BYTES);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let (header, numbers) = rest.split_at(length);
    let facts: Map<String, Value> = facts
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect();
    let mut whole = b"{\"__metadata__\":".to_vec();
    whole.extend(Value::Object(facts).to_string().into_bytes());
    let tensors = header.trim_ascii_end().strip_prefix(b"{").unwrap_or(header);
    if tensors != b"}" {
        whole.push(b',');
    }
    whole.extend(tensors);
    whole.resize(whole.len().next_multiple_of(ALIGNMENT), b' ');
    [&(whole.len() as u64).to_le_bytes()[..], &whole, numbers].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> BTreeMap<String, Tensor> {
        let whole = Tensor::from_slice(&[1.0_f32, -2.0, 3.5, 0.25]).view([2, 2]);
        BTreeMap::from([
            ("half".to_owned(), whole.to_kind(Kind::Half)),
            ("bytes".to_owned(), Tensor::from_slice(&[-127_i8, 5])),
            // Not contiguous.
            ("turned".to_owned(), whole.tr()),
        ])
    }

    fn facts() -> BTreeMap<String, String> {
        let facts = ["b", "a", "quote \" and \\"].map(|key| (key.to_owned(), key.repeat(2)));
        BTreeMap::from(facts)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = bytes(&tensors(), &facts()).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let found: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
        assert_eq!(found, facts());
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let turned = file.tensor("turned").unwrap();
        let numbers: Vec<u8> = [1.0_f32, 3.5, -2.0, 0.25]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        assert_eq!((turned.shape(), turned.data()), (&[2, 2][..], &numbers[..]));
        assert_eq!(file.tensor("bytes").unwrap().data(), [129, 5]);
        assert_eq!(file.tensor("half").unwrap().dtype(), Dtype::F16);
    }

    #[test]
    fn the_same_tensors_and_facts_are_the_same_bytes() {
        let once = bytes(&tensors(), &facts()).unwrap();
        assert_eq!(once, bytes(&tensors(), &facts()).unwrap());
    }

    #[test]
    fn a_file_may_have_facts_alone_or_none() {
        let alone = bytes(&BTreeMap::new(), &facts()).unwrap();
        let (_, header) = SafeTensors::read_metadata(&alone).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap().len(), 3);
        let none = bytes(&tensors(), &BTreeMap::new()).unwrap();
        assert_eq!(SafeTensors::deserialize(&none).unwrap().len(), 3);
    }
}
