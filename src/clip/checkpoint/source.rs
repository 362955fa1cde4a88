//! What the readers of all file formats have in common: a list of named tensors, each read on demand.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use crate::clip::error::ClipError;

/// The kind of number that a tensor in a file consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Floats that libtorch reads.
    Float(Kind),
    /// Bytes that stand for floats, with a scale for each row (see `safetensors`).
    Quantized,
    /// Integers or truth values, by the name that the format has for them. No weight is of such a kind.
    Integer(String),
    /// Numbers that may be weights but cannot be read, by the name that the format has for them.
    Unsupported(String),
}

/// A tensor in a file, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its kind of number.
    pub(crate) numbers: Numbers,
    /// Its shape.
    pub(crate) shape: Vec<i64>,
}

impl Entry {
    /// Whether it is a single number rather than a weight.
    pub(crate) fn is_scalar(&self) -> bool {
        self.shape.iter().all(|&size| size == 1)
    }
}

/// An open weight file, or several that belong together.
pub(crate) trait TensorSource {
    /// All tensors by their names in the file.
    fn entries(&self) -> &BTreeMap<String, Entry>;

    /// What the file's header says about the model.
    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Whether two names stand for one tensor.
    fn is_same(&self, _first: &str, _second: &str) -> bool {
        false
    }

    /// Reads a tensor of floats, or of bytes with scales, as floats.
    ///
    /// # Errors
    /// When the file is broken, or bytes have no scales.
    fn read(&mut self, name: &str) -> Result<Tensor, ClipError>;
}
