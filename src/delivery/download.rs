//! Downloads the files that inputs refer to by their address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::client::Client;
use super::error::SendError;
use crate::inputs::{FileContent, MAX_FILE_BYTES};
use crate::service::{FileError, FileSource};

/// The maximum time for one file, from the start to its last byte.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Downloads files through a client and its policy.
#[derive(Debug)]
pub struct Downloader {
    client: Arc<Client>,
}

/// Why a file was not downloaded. No message shows the URL, which may contain secrets.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server did not answer, or the policy refuses it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The server answered with a status other than success.
    #[error("the status is {0}")]
    Status(StatusCode),
    /// The file is too large.
    #[error("it has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// The file did not arrive in time.
    #[error("it did not arrive within {} seconds", TOTAL_TIMEOUT.as_secs())]
    Timeout,
}

impl Downloader {
    /// A downloader whose requests go through `client` and its policy.
    pub fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    /// Downloads a file.
    ///
    /// # Errors
    /// If the policy refuses the URL or a redirect, there is no such file, or it is too large, or too slow.
    pub async fn download(&self, url: &Url) -> Result<FileContent, DownloadError> {
        timeout(TOTAL_TIMEOUT, self.read(url))
            .await
            .map_err(|_| DownloadError::Timeout)?
    }

    async fn read(&self, url: &Url) -> Result<FileContent, DownloadError> {
        let mut response = self.client.get(url, TOTAL_TIMEOUT).await?;
        if !response.status().is_success() {
            return Err(DownloadError::Status(response.status()));
        }
        let announced = response.content_length().unwrap_or_default();
        if announced > MAX_FILE_BYTES as u64 {
            return Err(DownloadError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(announced as usize);
        while let Some(chunk) = response.chunk().await.map_err(SendError::from)? {
            if bytes.len() + chunk.len() > MAX_FILE_BYTES {
                return Err(DownloadError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Err(DownloadError::Empty);
        }
        Ok(FileContent::fetched(media_type(&response), bytes, url))
    }
}

#[async_trait]
impl FileSource for Downloader {
    async fn get(&self, url: &Url) -> Result<FileContent, FileError> {
        self.download(url).await.map_err(FileError::new)
    }
}

/// The media type that the server names, without parameters.
fn media_type(response: &Response) -> String {
    let named = response.headers().get(CONTENT_TYPE);
    let named = named.and_then(|value| value.to_str().ok());
    let essence = named.and_then(|value| value.split(';').next());
    let essence = essence.map(|text| text.trim().to_ascii_lowercase());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
    essence
        .filter(|text| text.matches('/').count() == 1 && text.bytes().all(allowed))
        .unwrap_or_else(|| "application/octet-stream".to_owned())
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{any, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::delivery::client::ClientConfig;
    use crate::delivery::error::PolicyError;
    use crate::delivery::policy::{AddressPolicy, PrivateAddresses};
    use crate::delivery::test_server::server_with;

    fn downloader(policy: AddressPolicy) -> Downloader {
        let config = ClientConfig {
            policy,
            ..ClientConfig::default()
        };
        Downloader::new(Arc::new(Client::new(config).unwrap()))
    }

    async fn get(address: &str) -> Result<FileContent, DownloadError> {
        let downloader = downloader(AddressPolicy::default());
        downloader.download(&address.parse().unwrap()).await
    }

    async fn server(response: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(response)
            .mount(&server)
            .await;
        server
    }

    #[tokio::test]
    async fn a_file_comes_with_its_type_and_its_address_without_secrets() {
        let response = ResponseTemplate::new(200).set_body_raw("hi!", "Image/PNG; q=1");
        let server = server(response).await;
        let file = get(&format!("{}/fox?key=hush", server.uri()))
            .await
            .unwrap();
        assert_eq!(
            (&file.bytes[..], file.media_type.as_str()),
            (&b"hi!"[..], "image/png")
        );
        assert_eq!(file.source, Some(format!("{}/fox", server.uri())));
    }

    #[tokio::test]
    async fn an_error_says_what_the_server_answered_and_not_where() {
        for (response, expected) in [
            (ResponseTemplate::new(404), "the status is 404 Not Found"),
            (ResponseTemplate::new(200), "it is empty"),
            (
                ResponseTemplate::new(200).set_body_bytes(vec![0; MAX_FILE_BYTES + 1]),
                "it has more than 10485760 bytes",
            ),
        ] {
            let server = server(response).await;
            let error = get(&format!("{}/hush", server.uri())).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn redirects_are_followed() {
        let server = MockServer::start().await;
        for (from, response) in [
            (
                "/a",
                ResponseTemplate::new(302).insert_header("location", "/b"),
            ),
            ("/b", ResponseTemplate::new(200).set_body_string("hi!")),
        ] {
            Mock::given(path(from))
                .respond_with(response)
                .mount(&server)
                .await;
        }
        let file = get(&format!("{}/a", server.uri())).await.unwrap();
        assert_eq!(file.bytes, b"hi!");
    }

    #[tokio::test]
    async fn the_policy_of_webhooks_holds_for_files() {
        let server = server_with(200, "").await;
        let downloader = downloader(AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        });
        let error = downloader.download(&server.uri().parse().unwrap()).await;
        assert!(matches!(
            error,
            Err(DownloadError::Send(SendError::Refused(
                PolicyError::Private { .. }
            )))
        ));
        assert!(server.received_requests().await.unwrap().is_empty());
    }
}
