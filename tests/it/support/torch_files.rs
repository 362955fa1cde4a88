//! Files as `torch.save` writes them: state dictionaries whose tensors may share their storages.
use std::io::{Cursor, Write};

use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::clip_files::Tensors;

/// A contiguous tensor of 32-bit floats in a storage.
#[derive(Debug, Clone)]
pub(crate) struct StoredView {
    pub(crate) name: String,
    pub(crate) storage: usize,
    /// The first number in the storage.
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    /// Whether the storage has the numbers with the opposite sign.
    pub(crate) is_negated: bool,
}

/// The tensors one after the other in one storage, with the contents of this storage.
pub(crate) fn in_one_storage(tensors: &Tensors) -> (Vec<StoredView>, Vec<u8>) {
    let mut storage = Vec::new();
    let mut views = Vec::new();
    for (name, (_, shape, bytes)) in tensors {
        views.push(StoredView {
            name: name.clone(),
            storage: 0,
            offset: storage.len() / 4,
            shape: shape.clone(),
            is_negated: false,
        });
        storage.extend(bytes);
    }
    (views, storage)
}

/// A zip archive with a state dictionary.
pub(crate) fn torch_file(views: &[StoredView], storages: &[Vec<u8>]) -> Vec<u8> {
    let lengths: Vec<usize> = storages.iter().map(|storage| storage.len() / 4).collect();
    let body: Vec<u8> = views.iter().flat_map(|view| item(view, &lengths)).collect();
    let pickle = [b"\x80\x02}(", &body[..], b"u."].concat();
    archive(&pickle, storages)
}

/// A zip archive with any pickle.
pub(crate) fn archive(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, contents: &[u8]| {
        let options = FileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(name, options).expect("a new part");
        archive.write_all(contents).expect("memory");
    };
    add("archive/data.pkl", pickle);
    for (key, storage) in storages.iter().enumerate() {
        add(&format!("archive/data/{key}"), storage);
    }
    archive.finish().expect("memory").into_inner()
}

/// The instructions for a name and a tensor.
fn item(view: &StoredView, lengths: &[usize]) -> Vec<u8> {
    let mut strides = vec![1; view.shape.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * view.shape[axis];
    }
    let metadata = if view.is_negated {
        [&b"}"[..], &text("neg"), b"\x88s"].concat()
    } else {
        Vec::new()
    };
    [
        text(&view.name),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text(&view.storage.to_string()),
        text("cpu"),
        integer(lengths[view.storage]),
        b"tQ".to_vec(),
        integer(view.offset),
        tuple(&view.shape),
        tuple(&strides),
        b"\x89ccollections\nOrderedDict\n)R".to_vec(),
        metadata,
        b"tR".to_vec(),
    ]
    .concat()
}

fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    [b"X", &length[..], text.as_bytes()].concat()
}

fn integer(number: usize) -> Vec<u8> {
    [b"J", &(number as u32).to_le_bytes()[..]].concat()
}

fn tuple(numbers: &[usize]) -> Vec<u8> {
    let parts: Vec<u8> = numbers.iter().flat_map(|&number| integer(number)).collect();
    [b"(", &parts[..], b"t"].concat()
}
