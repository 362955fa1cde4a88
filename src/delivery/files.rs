//! Files of predictions on their way to their destination: into the response or onto a server.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::client::Client;
use super::upload::{Place, Uploader};
use crate::service::{Destination, FileError, FileSink, OutputFile};

/// Writes files as data URLs, or uploads them.
#[derive(Debug)]
pub struct Files {
    client: Arc<Client>,
}

impl Files {
    /// Uploads go through this client and its policy.
    pub fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    async fn upload(
        &self,
        url: &Url,
        place: Place,
        file: OutputFile,
    ) -> Result<Arc<str>, FileError> {
        let uploader = Uploader::new(Arc::clone(&self.client), url.clone(), place);
        let stored = uploader.put(
            &file.prediction_id,
            &file.name,
            file.media_type,
            file.bytes.into(),
        );
        stored.await.map(Into::into).map_err(FileError::new)
    }
}

#[async_trait]
impl FileSink for Files {
    async fn put(
        &self,
        destination: &Destination,
        file: OutputFile,
    ) -> Result<Arc<str>, FileError> {
        match destination {
            Destination::Inline => Ok(data_url(file.media_type, &file.bytes).into()),
            Destination::Folder(url) => self.upload(url, Place::Folder, file).await,
            Destination::Prefix(url) => self.upload(url, Place::Prefix, file).await,
        }
    }
}

/// A file as a URL that contains it (RFC 2397).
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
