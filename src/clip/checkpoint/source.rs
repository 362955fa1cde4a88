//! The interface of the readers of all file formats: a list of named tensors, each read on demand.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::clip::error::ClipError;

/// The number type of a tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Floats that libtorch reads.
    Float(Kind),
    /// Bytes that represent floats, with a scale for each row (see `safetensors`).
    Quantized,
    /// Integers or booleans, with the name of the type in the format. No weight has such a type.
    Integer(String),
    /// Numbers that may be weights but cannot be read, with the name of the type in the format.
    Unsupported(String),
}

/// A tensor in a file, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number type.
    pub(crate) numbers: Numbers,
    /// Its shape.
    pub(crate) shape: Vec<i64>,
}

impl Entry {
    /// Whether it is a single number, which is not a weight.
    pub(crate) fn is_scalar(&self) -> bool {
        self.shape.iter().all(|&size| size == 1)
    }
}

/// An open weight file, or several that belong together.
pub(crate) trait TensorSource {
    /// All tensors by their names in the file.
    fn entries(&self) -> &BTreeMap<String, Entry>;

    /// The metadata in the file's header.
    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// A text that is equal for all names of one tensor, and for no other name.
    fn identity(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Whether two names refer to one tensor.
    fn is_same(&self, first: &str, second: &str) -> bool {
        first == second || self.identity(first) == self.identity(second)
    }

    /// Reads a tensor of floats, or of bytes with scales, as floats.
    ///
    /// # Errors
    /// If the file is broken, or bytes have no scales.
    fn read(&mut self, name: &str) -> Result<Tensor, ClipError>;
}

/// A list of tensors that have no numbers.
#[cfg(test)]
pub(super) struct Listed(pub(super) BTreeMap<String, Entry>);

#[cfg(test)]
impl Listed {
    /// Tensors of one number type, by name and shape.
    pub(super) fn new<'a>(
        numbers: &Numbers,
        tensors: impl IntoIterator<Item = (&'a str, &'a [i64])>,
    ) -> Self {
        let entry = |(name, shape): (&str, &[i64])| {
            let (numbers, shape) = (numbers.clone(), shape.to_vec());
            (name.to_owned(), Entry { numbers, shape })
        };
        Self(tensors.into_iter().map(entry).collect())
    }
}

#[cfg(test)]
impl TensorSource for Listed {
    fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.0
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ClipError> {
        panic!("{name} has no numbers")
    }
}
