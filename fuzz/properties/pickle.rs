//! Any bytes as the pickle of a PyTorch file: they are refused with a reason, or every tensor consists of
//! numbers of the storages.

use std::io::{Cursor, Write};

use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::weights;

/// The storages beside the pickle, by their keys.
const STORAGES: [&str; 3] = ["0", "1", "2"];

/// The bytes of each storage: enough for every small model, and a model that claims more is refused.
const STORAGE: usize = 256;

/// How many numbers of a tensor are compared: a tensor may repeat the same ones very often.
const COMPARED: usize = 10_000;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    let Some(checkpoint) = weights::read(&archive(bytes)) else {
        return;
    };
    let numbers = numbers();
    for (name, tensor) in &checkpoint.tensors {
        let size = tensor.kind().elt_size_in_bytes();
        let mut bytes = vec![0; tensor.numel() * size];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        for number in bytes.chunks(size).take(COMPARED) {
            assert!(
                numbers.chunks(size).any(|stored| stored == number),
                "`{name}` has the bytes {number:?}, which no storage has"
            );
        }
    }
}

/// An archive as torch.save writes it, with this pickle.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let numbers = numbers();
    let storages = STORAGES.map(|key| (format!("fuzzed/data/{key}"), numbers.as_slice()));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = FileOptions::default().compression_method(CompressionMethod::Stored);
    let pickle = ("fuzzed/data.pkl".to_owned(), pickle);
    for (name, bytes) in std::iter::once(pickle).chain(storages) {
        archive
            .start_file(name, stored)
            .expect("memory can be written to");
        archive.write_all(bytes).expect("memory can be written to");
    }
    let archive = archive.finish().expect("memory can be written to");
    archive.into_inner()
}

/// The bytes of each storage: all different, so that a wrong position shows.
fn numbers() -> Vec<u8> {
    (0..=u8::MAX).cycle().take(STORAGE).collect()
}
