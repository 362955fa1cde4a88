//! Any bytes as a safetensors file: they are refused with a reason, or every tensor has the shape and the
//! numbers that the header says, and a model that can be loaded encodes texts and pictures.

use std::fs;
use std::path::Path;

use clipdraw::clip::authoring::{SCALE, read_safetensors};
use clipdraw::clip::{Clip, ClipError, WeightsSource};
use clipdraw::errors::chain;
use clipdraw::tch::{Device, Kind, Tensor};
use serde_json::{Map, Value, json};

use super::weights;

/// The bytes of a file before its header: the length of the header.
const LENGTH: usize = 8;

/// The end of the name of the largest tensor of a model, which has a row for each token.
const TOKENS: &str = "token_embedding.weight";

/// The number of tokens that CLIP has.
const VOCABULARY: usize = 49_408;

/// The largest pictures, in pixels of a side, that are encoded to find out whether a model works.
const LARGEST_PICTURE: i64 = 64;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    let file = Path::new("fuzzed.safetensors");
    match read_safetensors(file, bytes) {
        Err(error) => assert!(!chain(&error).is_empty()),
        Ok(checkpoint) => {
            let (header, numbers) = parts(bytes).expect("the header was read");
            for (name, tensor) in &checkpoint.tensors {
                check_tensor(tensor, name, &header, numbers);
            }
        }
    }
    if weights::read(bytes).is_some()
        && let Some(bytes) = with_tokens(bytes)
    {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let file = folder.path().join("model.safetensors");
        fs::write(&file, bytes).expect("a file can be written");
        load(&file);
    }
}

/// Loads a model from a file on the disk: it is refused with a reason, or it encodes a text, unless its
/// numbers are too large, and a picture.
fn load(file: &Path) {
    let source = WeightsSource::File(file.to_owned());
    let clip = match Clip::load(&source, Device::Cpu, Kind::Float) {
        Err(error) => return assert!(!chain(&error).is_empty()),
        Ok(clip) => clip,
    };
    match clip.embed_text("a cat") {
        Ok(text) => assert_eq!(text.size(), [clip.embedding_width()]),
        Err(error) => assert!(
            matches!(
                error,
                ClipError::TooManyTokens { .. } | ClipError::EmbeddingNotFinite
            ),
            "{error:?}"
        ),
    }
    let side = clip.input_size();
    if side <= LARGEST_PICTURE {
        let picture = Tensor::zeros([1, 3, side, side], (Kind::Float, Device::Cpu));
        let picture = clip
            .embed_pictures(&picture)
            .expect("a picture can be encoded");
        assert_eq!(picture.size(), [1, clip.embedding_width()]);
    }
}

/// The header and the numbers of a file.
fn parts(bytes: &[u8]) -> Option<(Map<String, Value>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (header, numbers) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    Some((serde_json::from_slice(header).ok()?, numbers))
}

/// Compares a tensor with the bytes that the header gives it.
fn check_tensor(tensor: &Tensor, name: &str, header: &Map<String, Value>, numbers: &[u8]) {
    let stored = stored(name, header, numbers);
    assert_eq!(json!(tensor.size()), header[name]["shape"], "{name}");
    if header[name]["dtype"] != "I8" {
        let kind = match header[name]["dtype"].as_str() {
            Some("F16") => Kind::Half,
            Some("BF16") => Kind::BFloat16,
            Some("F32") => Kind::Float,
            Some("F64") => Kind::Double,
            other => panic!("{name} is {other:?}, which is not a float"),
        };
        assert_eq!(tensor.kind(), kind, "{name}");
        assert_eq!(bytes_of(tensor), stored, "{name}");
        return;
    }
    let scales = format!("{name}{SCALE}");
    if header[&scales]["dtype"] != "F32" {
        return;
    }
    let scales = self::stored(&scales, header, numbers);
    let scales: Vec<f32> = scales
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let row = stored.len() / scales.len();
    let expected = stored.iter().enumerate().flat_map(|(index, &byte)| {
        let number = f32::from(byte.cast_signed()) * scales[index / row];
        number.to_le_bytes()
    });
    assert_eq!(bytes_of(tensor).len(), 4 * stored.len(), "{name}");
    let found = bytes_of(tensor);
    let (found, expected) = (found.as_chunks::<4>().0, expected.collect::<Vec<_>>());
    for (found, expected) in found.iter().zip(expected.as_chunks().0) {
        let (found, expected) = (f32::from_le_bytes(*found), f32::from_le_bytes(*expected));
        assert!(
            found == expected || (found.is_nan() && expected.is_nan()),
            "{name}"
        );
    }
}

/// The bytes of a tensor in the file.
fn stored<'bytes>(name: &str, header: &Map<String, Value>, numbers: &'bytes [u8]) -> &'bytes [u8] {
    let offset = |index: usize| {
        header[name]["data_offsets"][index]
            .as_u64()
            .expect("an offset")
    };
    &numbers[offset(0) as usize..offset(1) as usize]
}

/// The bytes of a tensor in memory.
fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let count = tensor.numel();
    let mut bytes = vec![0; count * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, count);
    bytes
}

/// The same file with a row of one number for each token, if it has a tensor for them: a model needs all rows,
/// which are too large for an input.
fn with_tokens(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut header, numbers) = parts(bytes)?;
    let (start, end) = (numbers.len(), numbers.len() + 2 * VOCABULARY);
    let tokens = json!({"dtype": "F16", "shape": [VOCABULARY, 1], "data_offsets": [start, end]});
    // The numbers in the file get another name, because a file may have no gaps.
    let name = header.keys().find(|name| name.ends_with(TOKENS))?.clone();
    let small = header.insert(name, tokens)?;
    let count = stored_length(&small)?;
    let small = json!({"dtype": "U8", "shape": [count], "data_offsets": small["data_offsets"]});
    header.insert("position_ids".to_owned(), small);
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(numbers);
    file.resize(file.len() + 2 * VOCABULARY, 0);
    Some(file)
}

fn stored_length(entry: &Value) -> Option<u64> {
    let offset = |index: usize| entry["data_offsets"][index].as_u64();
    offset(1)?.checked_sub(offset(0)?)
}
