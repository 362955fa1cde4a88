//! Files of named tensors with metadata, in the safetensors format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};
use tch::{Device, Kind, Tensor};

use clipdraw::clip::authoring::read_safetensors;

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
            fact.ok_or_else(|| anyhow!("{} does not contain its {name}", self.path.display()))?;
        fact.parse()
            .with_context(|| format!("the {name} of {} is `{fact}`", self.path.display()))
    }
}

/// Reads a file whole. What is stored as bytes with scales comes as floats.
///
/// # Errors
/// When it cannot be read or is no such file.
pub fn read(path: &Path) -> anyhow::Result<TensorFile> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let checkpoint = read_safetensors(path, &bytes)?;
    Ok(TensorFile {
        path: checkpoint.file,
        tensors: checkpoint.tensors,
        facts: checkpoint.metadata,
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
    use safetensors::SafeTensors;

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
    fn rows_of_bytes_come_as_the_numbers_that_they_stand_for() {
        let rows = Tensor::from_slice(&[-127_i8, 5, 0, 64]).view([2, 2]);
        let tensors = BTreeMap::from([
            ("table".to_owned(), rows),
            (
                "table.scale".to_owned(),
                Tensor::from_slice(&[0.5_f32, 0.25]),
            ),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        write_bytes(&path, &bytes(&tensors, &facts()).unwrap()).unwrap();
        let file = read(&path).unwrap();
        assert_eq!(file.facts, facts());
        assert_eq!(file.tensors.len(), 1, "a scale is no tensor of its own");
        let table = file.tensor("table").unwrap();
        assert_eq!(
            table,
            &Tensor::from_slice(&[-63.5_f32, 2.5, 0.0, 16.0]).view([2, 2])
        );
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
