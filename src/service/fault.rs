//! The failures of predictions, and the messages that callers get.

use std::error::Error;

use tokio::task::JoinError;

use super::file_sink::FileError;
use super::outcome::Outcome;
use crate::draw::DrawError;
use crate::errors::chain;
use crate::inputs::InputErrors;
use crate::output::EncodeError;

/// Why an engine cannot be loaded, or no longer works. The cause comes from the engine.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(Box<dyn Error + Send + Sync>);

impl EngineError {
    /// An error with the engine's cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// What went wrong on the worker's thread.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerFault {
    /// The engine, or the worker itself, panicked with this message.
    #[error("the worker panicked: {0}")]
    Panicked(String),
    /// The engine could not draw.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The engine could not be loaded, or no longer works.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine is being loaded again.
    #[error("the model does not work")]
    NotLoaded,
}

/// Why a file that an input refers to cannot be used. The messages begin as those of Cog.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// It could not be fetched.
    #[error("Input validation error: {name}: the file at {host} cannot be fetched: {cause}")]
    Unavailable {
        /// The input.
        name: &'static str,
        /// Where the file is.
        host: String,
        #[source]
        cause: FileError,
    },
    /// It is not what the input needs.
    #[error("Input validation error: {0}")]
    Refused(#[source] InputErrors),
}

/// Why a prediction failed. Its text is the message that the caller gets.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The worker could not draw it.
    #[error("Prediction failed: {}", chain(.0))]
    Worker(#[source] WorkerFault),
    /// The worker dropped it without an outcome.
    #[error("Worker crashed")]
    WorkerCrashed,
    /// A frame could not be written in its format.
    #[error("Prediction failed: step {step} cannot be written: {cause}")]
    Encoding {
        step: usize,
        #[source]
        cause: EncodeError,
    },
    /// A file that an input refers to could not be fetched or used.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The code that reads such a file panicked.
    #[error("Input validation error: a file could not be read")]
    FetchPanicked(#[source] JoinError),
    /// The code that writes frames panicked.
    #[error("Prediction failed: step {step} cannot be written: {cause}")]
    EncodingPanicked {
        step: usize,
        #[source]
        cause: JoinError,
    },
    /// The animation could not be made.
    #[error("Prediction failed: the animation cannot be made: {0}")]
    Animation(#[source] EncodeError),
    /// The code that makes the animation panicked.
    #[error("Prediction failed: the animation cannot be made: {0}")]
    AnimationPanicked(#[source] JoinError),
    /// A file could not be stored.
    #[error(transparent)]
    File(#[from] FileError),
    /// The publisher panicked.
    #[error("Prediction failed: its files could not be made")]
    PublisherPanicked(#[source] JoinError),
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}
