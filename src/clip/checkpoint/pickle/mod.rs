//! Reads the pickles that `PyTorch` writes: enough of the format to find named tensors, and no more.
//!
//! Nothing in the file is executed: an unknown class becomes an unnamed object. Values are in one list and
//! refer to each other by index, so that a hostile file can build a loop but not a deep recursion.

mod value;
mod values;
mod collect;
mod operands;
mod rebuild;
mod machine;

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
        tensors: machine.values.collect(root)?,
        texts: machine.values.texts(root),
        storages: machine.into_storages(),
    };
    Ok((pickle, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text as a pickle writes it.
    fn text(text: &str) -> Vec<u8> {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    }

    fn is_too_large(pickle: &[u8]) -> bool {
        matches!(
            read(pickle),
            Err(PickleError::TooManyValues | PickleError::TooLarge)
        )
    }

    #[test]
    fn an_object_that_is_its_own_state_does_not_grow_without_limit() {
        // {1: 2} is remembered as 0, and then becomes its own state again and again.
        let state =
            |times: usize| [&b"}K\x01K\x02sq\x00"[..], &b"h\x00b".repeat(times), b"."].concat();
        assert!(read(&state(3)).is_ok());
        assert!(is_too_large(&state(64)));
    }

    #[test]
    fn values_that_are_reached_on_very_many_ways_are_rejected() {
        // Each dictionary has the one before under two keys.
        let nested = |levels: u8, key: &str| {
            let mut pickle = b"}q\x00".to_vec();
            for level in 0..levels {
                pickle.push(b'}');
                for key in [format!("{key}1"), format!("{key}2")] {
                    pickle.extend([&text(&key)[..], b"h", &[level], b"s"].concat());
                }
                pickle.extend([b'q', level + 1]);
            }
            pickle.push(b'.');
            pickle
        };
        assert!(read(&nested(10, "key")).is_ok());
        for pickle in [nested(39, "key"), nested(18, &"key".repeat(100))] {
            assert!(is_too_large(&pickle));
        }
    }

    #[test]
    fn a_large_value_cannot_be_copied_very_often() {
        let copies = |times: usize| {
            let key = [&text(&"k".repeat(1 << 16))[..], b"q\x00"].concat();
            let storage = [&b"(h\x00h\x00h\x00t"[..], b"Q"].concat();
            [&key[..], &storage.repeat(times), b"."].concat()
        };
        assert!(read(&copies(10)).is_ok());
        assert!(is_too_large(&copies(2000)));
    }
}
