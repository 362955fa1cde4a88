//! Errors of CLIP models.

use std::path::PathBuf;

use tch::TchError;
use thiserror::Error;

/// Why a model cannot be loaded or cannot read a prompt or a picture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClipError {
    /// The weight file cannot be read at all.
    #[error("cannot read weights {file}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: std::io::Error,
    },
    /// The file has no known format of weights.
    #[error("weights {file}: neither safetensors nor a PyTorch archive: it starts with {start:?}")]
    NotWeights {
        /// The file.
        file: PathBuf,
        /// Its first bytes as readable text.
        start: String,
    },
    /// The file has a known format, but it is broken or truncated.
    #[error("weights {file}: broken or truncated")]
    Broken {
        /// The file.
        file: PathBuf,
        /// The error of the reader.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tensors are not those of a CLIP model.
    #[error("weights {file}: not a known CLIP model: {reason}")]
    UnknownArchitecture {
        /// The file.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A tensor is missing.
    #[error("weights {file}: `{tensor}` is missing, expected {expected:?}")]
    MissingTensor {
        /// The file.
        file: PathBuf,
        /// The tensor's name in OpenAI's layout.
        tensor: String,
        /// The shape it should have; -1 for a dimension of any size.
        expected: Vec<i64>,
    },
    /// A tensor does not have the shape that the configuration requires.
    #[error("weights {file}: `{tensor}` has the shape {found:?}, expected {expected:?}")]
    WrongShape {
        /// The file.
        file: PathBuf,
        /// The tensor's name in OpenAI's layout.
        tensor: String,
        /// The shape in the file.
        found: Vec<i64>,
        /// The shape it should have; -1 for a dimension of any size.
        expected: Vec<i64>,
    },
    /// The prompt is longer than the model can read.
    #[error("the prompt has {tokens} tokens, but the model reads at most {limit}")]
    TooManyTokens {
        /// Number of tokens in the prompt, including the start and end tokens.
        tokens: usize,
        /// The model's limit, including the start and end tokens.
        limit: usize,
    },
    /// The pictures do not have the shape that the model encodes.
    #[error(
        "pictures are {found:?}, expected [N, 3, {image_size}, {image_size}] with N at least 1"
    )]
    WrongPictures {
        /// The shape given.
        found: Vec<i64>,
        /// The size in pixels of the square images that the model encodes.
        image_size: i64,
    },
    /// A gradient does not match the embeddings that it belongs to.
    #[error("the gradient is {found:?}, expected {expected:?}")]
    WrongGradient {
        /// The shape given.
        found: Vec<i64>,
        /// The shape of the embeddings.
        expected: Vec<i64>,
    },
    /// libtorch failed, most often because the device is out of memory.
    #[error("libtorch failed while {doing}")]
    Torch {
        /// The operation that failed.
        doing: &'static str,
        /// libtorch's error.
        #[source]
        cause: TchError,
    },
}

impl ClipError {
    /// Adds the failed operation to libtorch's error, for use in `map_err`.
    pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(TchError) -> Self {
        move |cause| Self::Torch { doing, cause }
    }
}
