//! The interface for files that inputs refer to by their address.

use std::fmt;

use async_trait::async_trait;
use url::Url;

use super::file_sink::FileError;
use crate::inputs::FileContent;

/// Fetches files.
#[async_trait]
pub trait FileSource: fmt::Debug + Send + Sync {
    /// Fetches the file at an address, of at most [`MAX_FILE_BYTES`](crate::inputs::MAX_FILE_BYTES) bytes.
    ///
    /// # Errors
    /// When there is no such file, it is too large, or it does not arrive in time.
    async fn get(&self, url: &Url) -> Result<FileContent, FileError>;
}

/// Fetches nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoFileSource;

/// A file cannot be fetched, because this server fetches none.
#[derive(Debug, thiserror::Error)]
#[error("this server fetches no files; send it as a data URL")]
struct FetchesNothing;

#[async_trait]
impl FileSource for NoFileSource {
    async fn get(&self, _: &Url) -> Result<FileContent, FileError> {
        Err(FileError::new(FetchesNothing))
    }
}
