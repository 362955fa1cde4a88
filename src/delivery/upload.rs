//! Uploads output files to a URL that the operator or the caller chose. The response then contains
//! the URLs of the files instead of their contents.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, histogram};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::client::Client;
use super::error::SendError;
use crate::backoff::Backoff;
use crate::telemetry::metric;

/// The header with the ID of the prediction that a file belongs to (Cog 0.23).
const PREDICTION_ID: HeaderName = HeaderName::from_static("x-prediction-id");

/// Four attempts: a brief outage must not fail a prediction, and a dead server must not delay it for long.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(2),
    repeats: 3,
};

/// The maximum time for one file with all its attempts.
const TOTAL_TIMEOUT: Duration = Duration::from_mins(1);

/// Uploads files to URLs with a common prefix.
pub struct Uploader {
    client: Arc<Client>,
    /// The names of files are appended to its path.
    prefix: Url,
    backoff: Backoff,
}

/// Why a file was not uploaded. The messages are those of Cog.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The name cannot be part of a URL's path.
    #[error("Failed to upload output: `{name}` is not the name of a file")]
    Name {
        /// The name.
        name: String,
    },
    /// The server answered with a status other than success.
    #[error("Failed to upload output: upload returned status {0}")]
    Status(StatusCode),
    /// The server did not answer.
    #[error("Failed to upload output: {0}")]
    Send(#[source] SendError),
}

impl UploadError {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Send(error) => error.is_temporary(),
        }
    }
}

impl Uploader {
    /// Uploads files into the folder at a URL, with or without a final slash (`--upload-url`). The
    /// URL is checked against the policy with each file.
    pub fn to_folder(client: Arc<Client>, mut folder: Url) -> Self {
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", folder.path()));
        }
        Self::to_prefix(client, folder)
    }

    /// Uploads files to URLs that begin with `prefix`, used as it is (`output_file_prefix`). It is
    /// checked against the policy with each file.
    pub fn to_prefix(client: Arc<Client>, prefix: Url) -> Self {
        Self {
            client,
            prefix,
            backoff: BACKOFF,
        }
    }

    /// The same uploader with other pauses between attempts.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Uploads one file with `PUT` and returns the URL to get it from, without a query: the header
    /// `Location` of the answer, or the URL that the file was sent to.
    ///
    /// If there is no answer, or it is 429 or a server error, the upload is repeated for up to a
    /// minute.
    ///
    /// # Errors
    /// If the last attempt fails too, or an error is not temporary.
    pub async fn put(
        &self,
        prediction_id: &str,
        file_name: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<String, UploadError> {
        let started = Instant::now();
        let headers = headers(prediction_id, media_type);
        let result = match self.url_of(file_name) {
            Some(url) => self.put_with_retries(&url, &headers, &bytes).await,
            None => Err(UploadError::Name {
                name: file_name.to_owned(),
            }),
        };
        let outcome = if result.is_ok() { "stored" } else { "failed" };
        counter!(metric::UPLOADS, "outcome" => outcome).increment(1);
        histogram!(metric::UPLOAD_DURATION).record(started.elapsed());
        result
    }

    async fn put_with_retries(
        &self,
        url: &Url,
        headers: &HeaderMap,
        bytes: &Bytes,
    ) -> Result<String, UploadError> {
        let end = Instant::now() + TOTAL_TIMEOUT;
        let mut pauses = self.backoff.pauses();
        loop {
            let limit = end.saturating_duration_since(Instant::now());
            let error = match self.attempt(url, headers, bytes.clone(), limit).await {
                Ok(address) => return Ok(address),
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| error.is_temporary());
            let Some(pause) = pause.filter(|pause| Instant::now() + *pause < end) else {
                return Err(error);
            };
            warn!(host = url.host_str(), %error, ?pause, "upload failed, retrying");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        headers: &HeaderMap,
        bytes: Bytes,
        limit: Duration,
    ) -> Result<String, UploadError> {
        let sent = self.client.put(url, headers, bytes, limit).await;
        let response = sent.map_err(UploadError::Send)?;
        match response.status() {
            status if status.is_success() => Ok(stored_url(&response)),
            status => Err(UploadError::Status(status)),
        }
    }

    /// The URL of a file; `None` if the name would change the path. A query of the prefix stays after
    /// the path.
    fn url_of(&self, file_name: &str) -> Option<Url> {
        let path = format!("{}{}", self.prefix.path(), segment(file_name)?);
        let mut url = self.prefix.clone();
        url.set_path(&path);
        Some(url)
    }
}

impl fmt::Debug for Uploader {
    /// Shows only the host: signed URLs are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Uploader")
            .field("host", &self.prefix.host_str())
            .finish_non_exhaustive()
    }
}

/// A name as one segment of a path; `None` if it would change the path.
fn segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let mut url = Url::parse("http://file/").expect("the URL is well-formed");
    url.path_segments_mut()
        .expect("an http address has a path")
        .push(name);
    Some(url.path().trim_start_matches('/').to_owned())
}

fn headers(prediction_id: &str, media_type: &str) -> HeaderMap {
    const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_str(media_type).unwrap_or(OCTET_STREAM);
    headers.insert(CONTENT_TYPE, media_type);
    if let Ok(id) = HeaderValue::from_bytes(prediction_id.as_bytes()) {
        headers.insert(PREDICTION_ID, id);
    }
    headers
}

fn stored_url(response: &Response) -> String {
    let named = response.headers().get(LOCATION);
    let named = named.and_then(|value| response.url().join(value.to_str().ok()?).ok());
    let mut url = named.unwrap_or_else(|| response.url().clone());
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::client::ClientConfig;

    fn client() -> Arc<Client> {
        Arc::new(Client::new(ClientConfig::default()).unwrap())
    }

    fn in_folder(folder: &str, file_name: &str) -> Option<String> {
        let uploader = Uploader::to_folder(client(), folder.parse().unwrap());
        Some(uploader.url_of(file_name)?.into())
    }

    fn with_prefix(prefix: &str, file_name: &str) -> Option<String> {
        let uploader = Uploader::to_prefix(client(), prefix.parse().unwrap());
        Some(uploader.url_of(file_name)?.into())
    }

    #[test]
    fn a_file_is_in_the_folder_and_a_query_stays_behind_its_name() {
        let cases = [
            ("http://a.example", "http://a.example/0.svg"),
            ("http://a.example/", "http://a.example/0.svg"),
            ("http://a.example/up", "http://a.example/up/0.svg"),
            ("http://a.example/up/", "http://a.example/up/0.svg"),
            (
                "http://a.example/up?sig=1",
                "http://a.example/up/0.svg?sig=1",
            ),
            ("http://a.example/a%2Fb/", "http://a.example/a%2Fb/0.svg"),
        ];
        for (folder, expected) in cases {
            let found = in_folder(folder, "0.svg");
            assert_eq!(found.as_deref(), Some(expected), "{folder}");
        }
    }

    #[test]
    fn a_prefix_is_used_as_it_is() {
        let cases = [
            ("http://a.example/up", "http://a.example/up0.svg"),
            ("http://a.example/up/", "http://a.example/up/0.svg"),
            (
                "http://a.example/up/id-?sig=1",
                "http://a.example/up/id-0.svg?sig=1",
            ),
        ];
        for (prefix, expected) in cases {
            let found = with_prefix(prefix, "0.svg");
            assert_eq!(found.as_deref(), Some(expected), "{prefix}");
        }
    }

    #[test]
    fn a_name_is_always_one_segment_of_the_path() {
        let cases = [
            ("../../x", "http://a.example/up/..%2F..%2Fx"),
            ("a?b#c", "http://a.example/up/a%3Fb%23c"),
            ("a\\b", "http://a.example/up/a%5Cb"),
            ("%2e%2e", "http://a.example/up/%252e%252e"),
            ("a b/ü\n", "http://a.example/up/a%20b%2F%C3%BC"),
        ];
        for (name, expected) in cases {
            let found = in_folder("http://a.example/up", name);
            assert_eq!(found.as_deref(), Some(expected), "{name}");
        }
        for name in ["", ".", ".."] {
            assert_eq!(in_folder("http://a.example/up", name), None);
        }
    }

    #[test]
    fn the_debug_output_shows_no_path_and_no_query() {
        let folder = "http://user:hush@a.example/hush?sig=hush".parse().unwrap();
        let shown = format!("{:?}", Uploader::to_folder(client(), folder));
        assert!(
            shown.contains("a.example") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
