//! Reads the pickles that `PyTorch` writes: enough of the format to find named tensors, and no more.
//!
//! Nothing in the file is executed: an unknown class becomes an unnamed object. Values are in one list and
//! refer to each other by index, so that a hostile file can build a loop but not a deep recursion.

mod value;
mod operands;
mod machine;
mod collect;

use std::collections::BTreeMap;

pub(crate) use value::{PickleError, StorageInfo, StoredTensor};

use machine::Machine;

/// The contents of one pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    /// All tensors that can be reached by named fields or through lists, under their dotted names.
    pub(crate) tensors: BTreeMap<String, StoredTensor>,
    /// All storages that are mentioned, by their keys.
    pub(crate) storages: BTreeMap<String, StorageInfo>,
    /// The texts of the list that the pickle consists of, if it is one.
    pub(crate) texts: Vec<String>,
}

/// Reads the pickle at the start of `bytes`, and returns the bytes after it.
///
/// # Errors
/// When the pickle ends too early, or has an instruction that is unknown or makes no sense.
pub(crate) fn read(bytes: &[u8]) -> Result<(Pickle, &[u8]), PickleError> {
    let mut machine = Machine::new(bytes);
    let root = machine.run()?;
    let rest = machine.rest();
    let pickle = Pickle {
        tensors: machine.collect(root)?,
        texts: machine.texts(root),
        storages: machine.into_storages(),
    };
    Ok((pickle, rest))
}
