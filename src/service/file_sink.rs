//! The interface for storing files: the service creates them, and an implementation stores them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::job::Destination;

/// Stores the files of predictions.
#[async_trait]
pub trait FileSink: fmt::Debug + Send + Sync {
    /// Stores a file at a destination and returns the URL from which it can be read.
    ///
    /// # Errors
    /// When the file could not be stored, after all reasonable attempts.
    async fn put(&self, destination: &Destination, file: OutputFile)
    -> Result<Arc<str>, FileError>;
}

/// A file of a prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// The prediction that it belongs to.
    pub prediction_id: String,
    /// Its name, without a folder.
    pub name: String,
    /// Its media type, such as `image/svg+xml`.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why a file could not be stored. Callers get the text of the cause as it is.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct FileError(Box<dyn Error + Send + Sync>);

impl FileError {
    /// An error with the sink's cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
