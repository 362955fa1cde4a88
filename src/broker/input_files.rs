//! [`RedisInputFiles`].

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tracing::warn;

use super::error::BrokerError;
use super::link::{arguments, flag};
use super::script::{FILE_ADD, FILE_LIST, FILE_READ, FILE_REMOVE};
use super::shared::Broker;
use super::value::{bytes, integer, list};
use crate::service::{
    InputFile, InputFileError, InputFileLimits, InputFileStore, MAX_INPUT_FILES, NewInputFile,
    StoreError,
};

/// The files that clients have sent to any front end, for the workers.
#[derive(Debug)]
pub struct RedisInputFiles {
    broker: Arc<Broker>,
    limits: InputFileLimits,
}

impl RedisInputFiles {
    /// The files in a broker.
    pub fn new(broker: Arc<Broker>, limits: InputFileLimits) -> Self {
        Self { broker, limits }
    }

    async fn add_file(&self, added: &InputFile, content: &[u8]) -> Result<i64, BrokerError> {
        let description = serde_json::to_vec(added)
            .map_err(|error| BrokerError::Damaged(format!("a file: {error}")))?;
        let request = arguments([
            added.id.as_bytes(),
            &description,
            content,
            self.limits.keep_for.as_millis().to_string().as_bytes(),
            self.limits.total_bytes.to_string().as_bytes(),
            MAX_INPUT_FILES.to_string().as_bytes(),
        ]);
        let answer = self.broker.call(&FILE_ADD, &request).await?;
        let answer = integer(&answer)?;
        if answer == 1 {
            self.broker.replicas.confirmed().await?;
        }
        Ok(answer)
    }

    async fn read_file(
        &self,
        id: &str,
        with_content: bool,
    ) -> Result<Option<(InputFile, Bytes)>, BrokerError> {
        let request = arguments([id.as_bytes(), flag(with_content)]);
        let mut parts = list(self.broker.call(&FILE_READ, &request).await?)?.into_iter();
        let Some(description) = parts.next() else {
            return Ok(None);
        };
        let content = parts.next().map(bytes).transpose()?.unwrap_or_default();
        let file = described(&bytes(description)?);
        let file = file.filter(|file| {
            !file.has_expired() && (!with_content || file.length == content.len() as u64)
        });
        Ok(file.map(|file| (file, content.into())))
    }

    async fn all(&self) -> Result<Vec<InputFile>, BrokerError> {
        let mut files = Vec::new();
        for description in list(self.broker.call(&FILE_LIST, &Vec::new()).await?)? {
            files.extend(described(&bytes(description)?));
        }
        files.retain(|file| !file.has_expired());
        files.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(files)
    }
}

/// What is known of a file; nothing if somebody has damaged it.
fn described(text: &[u8]) -> Option<InputFile> {
    let file = serde_json::from_slice(text);
    file.inspect_err(|error| warn!(%error, "the broker has a damaged file"))
        .ok()
}

#[async_trait]
impl InputFileStore for RedisInputFiles {
    fn limits(&self) -> InputFileLimits {
        self.limits
    }

    async fn add(&self, file: NewInputFile) -> Result<InputFile, InputFileError> {
        let added = InputFile::new(&file, self.limits.keep_for).await;
        let added = added.map_err(InputFileError::Unavailable)?;
        let unavailable = |error| InputFileError::Unavailable(StoreError::new(error));
        match self
            .add_file(&added, &file.content)
            .await
            .map_err(unavailable)?
        {
            1 => Ok(added),
            0 => Err(InputFileError::NoRoom {
                limit: self.limits.total_bytes,
            }),
            _ => Err(InputFileError::TooMany),
        }
    }

    async fn find(&self, id: &str) -> Result<Option<InputFile>, StoreError> {
        let found = self.read_file(id, false).await.map_err(StoreError::new)?;
        Ok(found.map(|(file, _)| file))
    }

    async fn read(&self, id: &str) -> Result<Option<(InputFile, Bytes)>, StoreError> {
        self.read_file(id, true).await.map_err(StoreError::new)
    }

    async fn list(&self) -> Result<Vec<InputFile>, StoreError> {
        self.all().await.map_err(StoreError::new)
    }

    async fn remove(&self, id: &str) -> Result<bool, StoreError> {
        let removed = self
            .broker
            .call(&FILE_REMOVE, &arguments([id.as_bytes()]))
            .await;
        let removed = removed.and_then(|answer| integer(&answer));
        Ok(removed.map_err(StoreError::new)? == 1)
    }
}
