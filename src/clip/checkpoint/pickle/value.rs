//! The values that a pickle builds, and the number types of `PyTorch`'s storages.

use tch::Kind;
use thiserror::Error;

use crate::clip::checkpoint::source::Numbers;

/// Values that a pickle may build; `RN50x64` has about ten thousand, with its optimizer some more.
pub(super) const MAX_VALUES: usize = 1 << 20;

/// Why a pickle cannot be read.
#[derive(Debug, Error)]
pub(crate) enum PickleError {
    #[error("the pickle ends too early")]
    Truncated,
    #[error(
        "the pickle has the unknown instruction {0:#04x}; pickles of the protocols 2 to 5 can be read"
    )]
    UnknownInstruction(u8),
    #[error("the pickle takes a value from an empty stack")]
    EmptyStack,
    #[error(
        "its pickle has more than {MAX_VALUES} values; save only the state dictionary of the model"
    )]
    TooManyValues,
    #[error(
        "its pickle needs more than {MAX_BYTES} bytes of memory; save only the state dictionary of the model"
    )]
    TooLarge,
}

/// Bytes that the values of a pickle may take, and again the names of its tensors. Pickles of the largest models
/// with their optimizers take a few megabytes. A pickle can copy a value with two of its bytes.
const MAX_BYTES: usize = 1 << 26;

/// The memory that is left for a pickle, in bytes.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_BYTES)
    }
}

impl Budget {
    /// Takes memory from what is left.
    ///
    /// # Errors
    /// If there is too little.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), PickleError> {
        self.0 = self.0.checked_sub(bytes).ok_or(PickleError::TooLarge)?;
        Ok(())
    }
}

/// The numbers that several tensors may share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageInfo {
    /// Its number type.
    pub(crate) numbers: Numbers,
    /// Size of one number in bytes.
    pub(crate) element_size: usize,
}

/// The position of a tensor's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTensor {
    /// Key of the storage.
    pub(crate) storage: String,
    /// Its number type.
    pub(crate) numbers: Numbers,
    /// First number, counted from the start of the storage.
    pub(crate) offset: i64,
    /// Shape.
    pub(crate) shape: Vec<i64>,
    /// Steps in the storage from one number to the next along each dimension.
    pub(crate) strides: Vec<i64>,
    /// Whether its numbers have the opposite sign of those in the storage (PyTorch's negative bit).
    pub(crate) is_negated: bool,
}

/// The position of a value in the list of all values.
pub(super) type Index = usize;

/// A value of a pickle.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Anything that is not a tensor and does not contain one.
    Other,
    Integer(i64),
    Text(String),
    Class(String),
    Sequence(Vec<Index>),
    /// A dictionary or an object with named fields.
    Fields(Vec<(Index, Index)>),
    /// A storage, or a view of it that starts at `offset`.
    Storage {
        key: String,
        info: StorageInfo,
        offset: i64,
    },
    Tensor(StoredTensor),
}

impl StoredTensor {
    /// The memory that it takes besides its own size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.storage.len() + size_of_val(&*self.shape) + size_of_val(&*self.strides)
    }
}

impl Value {
    /// The memory that it takes besides its own size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Other | Self::Integer(_) => 0,
            Self::Text(text) | Self::Class(text) => text.len(),
            Self::Sequence(parts) => size_of_val(&**parts),
            Self::Fields(fields) => size_of_val(&**fields),
            Self::Storage { key, .. } => key.len(),
            Self::Tensor(tensor) => tensor.bytes(),
        }
    }
}

/// The number type of a storage of this class, such as `torch.FloatStorage`.
pub(super) fn storage_info(class: &str) -> StorageInfo {
    let name = class.rsplit('.').next().unwrap_or(class);
    let kind = name.strip_suffix("Storage").unwrap_or(name);
    let integer = |name: &str| Numbers::Integer(name.to_owned());
    let (numbers, element_size) = match kind {
        "Half" => (Numbers::Float(Kind::Half), 2),
        "BFloat16" => (Numbers::Float(Kind::BFloat16), 2),
        "Float" => (Numbers::Float(Kind::Float), 4),
        "Double" => (Numbers::Float(Kind::Double), 8),
        "Long" => (integer("int64"), 8),
        "Int" => (integer("int32"), 4),
        "Short" => (integer("int16"), 2),
        "Char" => (integer("int8"), 1),
        "Byte" | "Untyped" => (integer("uint8"), 1),
        "Bool" => (integer("bool"), 1),
        "ComplexFloat" => (Numbers::Unsupported("complex64".to_owned()), 8),
        "ComplexDouble" => (Numbers::Unsupported("complex128".to_owned()), 16),
        "QInt32" => (Numbers::Unsupported("qint32".to_owned()), 4),
        other => (Numbers::Unsupported(other.to_owned()), 1),
    };
    StorageInfo {
        numbers,
        element_size,
    }
}

/// The number type with this name, such as `torch.float16`.
pub(super) fn dtype_numbers(class: &str) -> Numbers {
    let name = class.rsplit('.').next().unwrap_or(class);
    match name {
        "float16" => Numbers::Float(Kind::Half),
        "bfloat16" => Numbers::Float(Kind::BFloat16),
        "float32" => Numbers::Float(Kind::Float),
        "float64" => Numbers::Float(Kind::Double),
        "bool" => Numbers::Integer(name.to_owned()),
        _ if name.starts_with("int") || name.starts_with("uint") => {
            Numbers::Integer(name.to_owned())
        }
        _ => Numbers::Unsupported(name.to_owned()),
    }
}
