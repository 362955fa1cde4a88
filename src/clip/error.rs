//! Errors of CLIP models.

use std::path::PathBuf;

use tch::TchError;
use thiserror::Error;

use crate::plural::counted;

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
    /// The file is a pickle of protocol 0 or 1.
    #[error(
        "weights {file}: it is a pickle of protocol 0 or 1; those of the protocols 2 to 5 can be read: save it again with \
         torch.save, without `pickle_protocol`"
    )]
    OldPickle {
        /// The file.
        file: PathBuf,
    },
    /// The weight file has no contents.
    #[error("weights {file}: neither safetensors nor a PyTorch archive: the file is empty")]
    Empty {
        /// The file.
        file: PathBuf,
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
    /// The scales of a tensor of bytes are missing.
    #[error(
        "weights {file}: `{tensor}` is I8, but `{tensor}.scale` is missing, expected {expected:?}"
    )]
    MissingScale {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// The shape that the scales should have.
        expected: Vec<i64>,
    },
    /// A tensor has no numbers.
    #[error(
        "weights {file}: `{tensor}` is empty, {found:?}; if DeepSpeed's ZeRO-3 saved it, convert the checkpoint with \
         zero_to_fp32.py"
    )]
    EmptyTensor {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// The shape in the file.
        found: Vec<i64>,
    },
    /// A tensor has a number that is not finite as a 32-bit float.
    #[error(
        "weights {file}: `{tensor}` has a number that is NaN, infinite or beyond the range of 32-bit floats; the file is \
         damaged, or its training diverged"
    )]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
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
    /// A tensor has a number type that cannot be read.
    #[error("weights {file}: `{tensor}` is {kind}; F16, BF16, F32 and F64 can be read")]
    UnreadableKind {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Its number type, as it is named in the file.
        kind: String,
    },
    /// The file has a tensor that this architecture does not have, so it contains another architecture.
    #[error(
        "weights {file}: not a known CLIP model: nothing uses `{tensor}`, {shape:?}{}{}",
        and_others(*.others),
        only_model(.model.as_deref())
    )]
    UnusedTensor {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        tensor: String,
        /// Its shape.
        shape: Vec<i64>,
        /// The number of further unused tensors.
        others: usize,
        /// The prefix of the model's names, if the tensor is outside of the model.
        model: Option<String>,
    },
    /// The file contains more than one model, and none of them was chosen with [`LoadOptions::tensors`].
    ///
    /// [`LoadOptions::tensors`]: super::LoadOptions::tensors
    #[error(
        "weights {file}: it contains several models, with the prefixes {}; choose one of them, for example with --tensors \
         {}",
        prefix_list(.places),
        .places.last().map_or(NO_PREFIX, |place| shown_prefix(place))
    )]
    SeveralModels {
        /// The file.
        file: PathBuf,
        /// The prefixes of the names of their tensors; an empty one if the names have none.
        places: Vec<String>,
    },
    /// No tensor has the prefix that was chosen with [`LoadOptions::tensors`].
    ///
    /// [`LoadOptions::tensors`]: super::LoadOptions::tensors
    #[error("weights {file}: no tensor has the prefix `{prefix}` (--tensors); it has {found}")]
    NoSuchPrefix {
        /// The file.
        file: PathBuf,
        /// The prefix.
        prefix: String,
        /// What the file has instead.
        found: String,
    },
    /// A configuration next to the weights has a setting that is not supported.
    #[error("weights {file}: {config} has {key} = {found}, but {expected}")]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The configuration's file name.
        config: String,
        /// The key, with the names of the objects around it.
        key: String,
        /// Its value.
        found: String,
        /// What is supported, as a clause.
        expected: String,
    },
    /// The prompt is longer than the model can read.
    #[error("the prompt has {tokens} tokens, but the model reads at most {limit}")]
    TooManyTokens {
        /// Number of tokens in the prompt, including the start and end tokens.
        tokens: usize,
        /// The model's limit, including the start and end tokens.
        limit: usize,
    },
    /// The embedding of a prompt has a number that is infinite or not a number.
    #[error(
        "the text tower computes numbers that are infinite or not a number (NaN); its weights may be damaged"
    )]
    EmbeddingNotFinite,
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

/// The end of an error message about the first of several tensors.
fn and_others(count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    format!(", nor {}", counted(count, "other tensor", "other tensors"))
}

/// The prefix that stands for none in [`LoadOptions::tensors`] and in errors.
///
/// [`LoadOptions::tensors`]: super::LoadOptions::tensors
const NO_PREFIX: &str = ".";

/// Prefixes as the middle of a sentence.
pub(super) fn prefix_list(prefixes: &[String]) -> String {
    let quoted = prefixes.iter().map(|prefix| match prefix.as_str() {
        "" => format!("`{NO_PREFIX}` (none)"),
        prefix => format!("`{prefix}`"),
    });
    quoted.collect::<Vec<_>>().join(" and ")
}

/// A prefix as it is chosen.
fn shown_prefix(prefix: &str) -> &str {
    match prefix.trim_end_matches('.') {
        "" => NO_PREFIX,
        prefix => prefix,
    }
}

/// The end of an error message about a tensor outside of a model with a prefix.
fn only_model(prefix: Option<&str>) -> String {
    prefix.map_or_else(String::new, |prefix| {
        let prefix = shown_prefix(prefix);
        format!("; if it is not part of the model, add --tensors {prefix}")
    })
}

impl ClipError {
    /// Adds the failed operation to libtorch's error, for use in `map_err`.
    pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(TchError) -> Self {
        move |cause| Self::Torch { doing, cause }
    }
}
