//! The trait [`InputFileStore`].

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use url::Url;
use uuid::Uuid;

use crate::hex::lower_hex;
use crate::service::store::StoreError;

/// The maximum number of files that are kept.
pub(crate) const MAX_INPUT_FILES: usize = 1000;

/// What the ids of files begin with, so that their addresses differ from those of files at other hosts.
const PREFIX: &str = "file-";

/// The number of hexadecimal digits after it. They are random, so nobody can guess an id.
const DIGITS: usize = 32;

/// The folder of files in an address.
const FOLDER: &str = "/v1/files/";

/// Keeps files that clients have sent, until they expire.
#[async_trait]
pub trait InputFileStore: fmt::Debug + Send + Sync {
    /// What is kept at most, and for how long.
    fn limits(&self) -> InputFileLimits;

    /// Keeps a file.
    ///
    /// # Errors
    /// When there is no room, or the store cannot write.
    async fn add(&self, file: NewInputFile) -> Result<InputFile, InputFileError>;

    /// The file with this id, without its content.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn find(&self, id: &str) -> Result<Option<InputFile>, StoreError>;

    /// The file with this id and its content.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn read(&self, id: &str) -> Result<Option<(InputFile, Bytes)>, StoreError>;

    /// All files, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self) -> Result<Vec<InputFile>, StoreError>;

    /// Removes a file. Returns whether there was one with this id.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn remove(&self, id: &str) -> Result<bool, StoreError>;

    /// Removes the files that have expired. The other methods do not return them in any case.
    async fn remove_expired(&self) {}
}

/// What is kept at most, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputFileLimits {
    /// The maximum size of all files in bytes; with 0, none are kept.
    pub total_bytes: u64,
    /// The time after which a file expires.
    pub keep_for: Duration,
}

impl Default for InputFileLimits {
    /// 256 MiB, and a day as on Replicate.
    fn default() -> Self {
        Self {
            total_bytes: 256 << 20,
            keep_for: Duration::from_hours(24),
        }
    }
}

/// A file that a client sends.
#[derive(Clone, PartialEq, Eq)]
pub struct NewInputFile {
    /// Its name, which need not be unique.
    pub name: String,
    /// Its media type, as the client names it.
    pub media_type: String,
    /// What the client wants to remember of it.
    pub metadata: Map<String, Value>,
    /// Its content.
    pub content: Bytes,
}

impl fmt::Debug for NewInputFile {
    /// Shows no content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewInputFile")
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// A file that is kept, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its id. Whoever knows it may use the file as an input.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Its media type, as the client has named it.
    pub media_type: String,
    /// What the client wants to remember of it.
    pub metadata: Map<String, Value>,
    /// Its size in bytes.
    pub length: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// When it was sent, in milliseconds since 1970.
    pub created_at: i64,
    /// When it expires, in milliseconds since 1970.
    pub expires_at: i64,
}

impl InputFile {
    /// A file that is kept from now on.
    ///
    /// # Errors
    /// If the code that reads it panics.
    pub(crate) async fn new(file: &NewInputFile, keep_for: Duration) -> Result<Self, StoreError> {
        let now = Timestamp::now().as_millisecond();
        let content = file.content.clone();
        // It takes some time for a large file.
        let digest = spawn_blocking(move || lower_hex(&Sha256::digest(&content))).await;
        Ok(Self {
            id: format!("{PREFIX}{}", Uuid::new_v4().simple()),
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            metadata: file.metadata.clone(),
            length: file.content.len() as u64,
            sha256: digest.map_err(StoreError::new)?,
            created_at: now,
            expires_at: now.saturating_add(keep_for.as_millis() as i64),
        })
    }

    /// Whether it is no longer kept.
    pub(crate) fn has_expired(&self) -> bool {
        self.expires_at <= Timestamp::now().as_millisecond()
    }
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputFileError {
    /// Too many bytes are kept.
    #[error(
        "The files that this server keeps may have {limit} bytes together. Delete some, or send this one as a data URL."
    )]
    NoRoom {
        /// The maximum size of all files in bytes.
        limit: u64,
    },
    /// Too many files are kept.
    #[error(
        "This server keeps at most {MAX_INPUT_FILES} files. Delete some, or send this one as a data URL."
    )]
    TooMany,
    /// The store cannot write.
    #[error("the file cannot be stored")]
    Unavailable(#[source] StoreError),
}

/// Whether a text can be the id of a file.
pub(crate) fn is_input_file_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|digits| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.len() == DIGITS && digits.bytes().all(is_digit)
    })
}

/// The id in the address of a file that a clipdraw server has given it: `.../v1/files/ID`, on any host, because a server
/// may be reached under many names.
pub fn input_file_id(url: &Url) -> Option<&str> {
    let (_, id) = url.path().rsplit_once(FOLDER)?;
    is_input_file_id(id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_file_is_known_on_every_host_and_behind_every_prefix() {
        let id = "file-0123456789abcdef0123456789abcdef";
        for (address, expected) in [
            (format!("http://a.example/v1/files/{id}"), Some(id)),
            (format!("https://b.example:1/x/v1/files/{id}?y#z"), Some(id)),
            (format!("http://a.example/v1/files/{id}/download"), None),
            (format!("http://a.example/v1/files/{id}0"), None),
            (format!("http://a.example/files/{id}"), None),
            (
                "http://a.example/v1/files/cneqzikepnug6xezperrr4z55o".to_owned(),
                None,
            ),
            (
                format!("http://a.example/v1/files/{}", id.to_uppercase()),
                None,
            ),
        ] {
            let url: Url = address.parse().unwrap();
            assert_eq!(input_file_id(&url), expected, "{address}");
        }
    }
}
