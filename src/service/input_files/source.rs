//! [`KeptFileSource`].

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::interface::{InputFileStore, input_file_id};
use crate::inputs::FileContent;
use crate::service::file_sink::FileError;
use crate::service::file_source::FileSource;

/// Takes files that clients have sent to this server from where they are kept, without a request, and all others from
/// another source.
#[derive(Debug)]
pub struct KeptFileSource {
    kept: Arc<dyn InputFileStore>,
    others: Arc<dyn FileSource>,
}

/// There is no file with that id.
#[derive(Debug, thiserror::Error)]
#[error("this server does not keep it, or no longer; send it again with POST /v1/files")]
struct NotKept;

impl KeptFileSource {
    /// The files of a store, and all others from `others`.
    pub fn new(kept: Arc<dyn InputFileStore>, others: Arc<dyn FileSource>) -> Self {
        Self { kept, others }
    }
}

#[async_trait]
impl FileSource for KeptFileSource {
    async fn get(&self, url: &Url) -> Result<FileContent, FileError> {
        let Some(id) = input_file_id(url) else {
            return self.others.get(url).await;
        };
        let found = self.kept.read(id).await.map_err(FileError::new)?;
        let (file, content) = found.ok_or_else(|| FileError::new(NotKept))?;
        Ok(FileContent::fetched(file.media_type, content.into(), url))
    }
}
