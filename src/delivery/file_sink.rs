//! Puts the files of predictions where they go: into the response, or onto a server.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::Client;
use super::upload::Uploader;
use crate::service::{Destination, FileError, FileSink, OutputFile};

/// Writes files as data URLs, or uploads them.
#[derive(Debug)]
pub struct UploadingFileSink {
    client: Arc<Client>,
}

impl UploadingFileSink {
    /// A sink whose uploads go through `client` and its policy.
    pub fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }
}

#[async_trait]
impl FileSink for UploadingFileSink {
    async fn put(
        &self,
        destination: &Destination,
        file: OutputFile,
    ) -> Result<Arc<str>, FileError> {
        let uploader = match destination {
            Destination::Inline => return Ok(data_url(file.media_type, &file.bytes).into()),
            Destination::Folder(url) => Uploader::to_folder(self.client(), url.clone()),
            Destination::Prefix(url) => Uploader::to_prefix(self.client(), url.clone()),
        };
        let stored = uploader.put(
            &file.prediction_id,
            &file.name,
            file.media_type,
            file.bytes.into(),
        );
        stored.await.map(Into::into).map_err(FileError::new)
    }
}

/// A `data:` URL that contains a file (RFC 2397).
fn data_url(media_type: &str, bytes: &[u8]) -> String {
    let mut url = format!("data:{media_type};base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_contains_its_type_and_the_file() {
        assert_eq!(
            data_url("text/plain", b"hi!"),
            "data:text/plain;base64,aGkh"
        );
    }
}
