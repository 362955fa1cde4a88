//! Uploads output files to the address that the operator or the caller gave. The response then holds
//! their URLs instead of their contents.

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

/// The header that tells the receiver which prediction a file belongs to (Cog 0.23).
const PREDICTION_ID: HeaderName = HeaderName::from_static("x-prediction-id");

/// Four attempts; a brief fault must not fail a drawing, and a dead server must not delay it for long.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(2),
    repeats: 3,
};

/// How long one file may take with all its attempts.
const IN_ALL: Duration = Duration::from_mins(1);

/// How the name of a file is joined to the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The address is a folder, with or without a final slash (`--upload-url`).
    Folder,
    /// The address is the beginning of the file's, used as it is (`output_file_prefix`).
    Prefix,
}

/// Puts files under an address.
pub struct Uploader {
    client: Arc<Client>,
    target: Url,
    place: Place,
    backoff: Backoff,
}

/// Why a file is not where it should be. The texts of the failures are those that Cog answers.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot have that name.
    #[error("Failed to upload output: `{name}` is not the name of a file")]
    Name {
        /// The name.
        name: String,
    },
    /// The server answered something other than success.
    #[error("Failed to upload output: upload returned status {0}")]
    Status(StatusCode),
    /// No answer came.
    #[error("Failed to upload output: {0}")]
    Unsent(#[source] SendError),
}

impl UploadError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unsent(error) => error.may_pass(),
        }
    }
}

impl Uploader {
    /// Puts files under an address, which is checked against the policy with each file.
    pub fn new(client: Arc<Client>, target: Url, place: Place) -> Self {
        Self {
            client,
            target,
            place,
            backoff: BACKOFF,
        }
    }

    /// The same uploader with other pauses between attempts.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Puts one file and returns the address to get it from, without its query: what the server
    /// names as `Location`, else where the file was put.
    ///
    /// Attempts that failed for want of a connection, with 429 or with a server error are
    /// repeated for a minute at most.
    ///
    /// # Errors
    /// When the last attempt failed too, or when the failure is not temporary.
    pub async fn put(
        &self,
        prediction_id: &str,
        file_name: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<String, UploadError> {
        let started = Instant::now();
        let headers = headers(prediction_id, media_type);
        let result = match self.address(file_name) {
            Some(url) => self.persist(&url, &headers, &bytes).await,
            None => Err(UploadError::Name {
                name: file_name.to_owned(),
            }),
        };
        let outcome = if result.is_ok() { "stored" } else { "failed" };
        counter!(metric::UPLOADS, "outcome" => outcome).increment(1);
        histogram!(metric::UPLOAD_DURATION).record(started.elapsed());
        result
    }

    async fn persist(
        &self,
        url: &Url,
        headers: &HeaderMap,
        bytes: &Bytes,
    ) -> Result<String, UploadError> {
        let end = Instant::now() + IN_ALL;
        let mut pauses = self.backoff.pauses();
        loop {
            let limit = end.saturating_duration_since(Instant::now());
            let error = match self.attempt(url, headers, bytes.clone(), limit).await {
                Ok(address) => return Ok(address),
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| error.may_pass());
            let Some(pause) = pause.filter(|pause| Instant::now() + *pause < end) else {
                return Err(error);
            };
            warn!(host = url.host_str(), %error, ?pause, "upload is repeated");
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
        let response = sent.map_err(UploadError::Unsent)?;
        match response.status() {
            status if status.is_success() => Ok(stored_at(&response)),
            status => Err(UploadError::Status(status)),
        }
    }

    /// Where a file goes. A query of the target stays behind the path.
    fn address(&self, file_name: &str) -> Option<Url> {
        let mut path = self.target.path().to_owned();
        if self.place == Place::Folder && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(&segment(file_name)?);
        let mut url = self.target.clone();
        url.set_path(&path);
        Some(url)
    }
}

impl fmt::Debug for Uploader {
    /// Shows the host only: signed addresses are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.target.host_str();
        formatter
            .debug_struct("Uploader")
            .field("host", &host)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A name as one segment of a path; nothing if it would change the path.
fn segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let mut url = Url::parse("http://file/").expect("the address is well-formed");
    url.path_segments_mut()
        .expect("an http address has a path")
        .push(name);
    Some(url.path().trim_start_matches('/').to_owned())
}

fn headers(prediction_id: &str, media_type: &str) -> HeaderMap {
    const ANY: HeaderValue = HeaderValue::from_static("application/octet-stream");
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_str(media_type).unwrap_or(ANY);
    headers.insert(CONTENT_TYPE, media_type);
    if let Ok(id) = HeaderValue::from_bytes(prediction_id.as_bytes()) {
        headers.insert(PREDICTION_ID, id);
    }
    headers
}

fn stored_at(response: &Response) -> String {
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
    use crate::delivery::client::Settings;

    fn address(target: &str, place: Place, file_name: &str) -> Option<String> {
        let client = Arc::new(Client::new(Settings::default()).unwrap());
        let uploader = Uploader::new(client, target.parse().unwrap(), place);
        Some(uploader.address(file_name)?.into())
    }

    #[test]
    fn a_file_lies_in_the_folder_and_a_query_stays_behind_its_name() {
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
        for (target, expected) in cases {
            let found = address(target, Place::Folder, "0.svg");
            assert_eq!(found.as_deref(), Some(expected), "{target}");
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
        for (target, expected) in cases {
            let found = address(target, Place::Prefix, "0.svg");
            assert_eq!(found.as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn a_name_never_leaves_its_place_in_the_path() {
        let cases = [
            ("../../x", "http://a.example/up/..%2F..%2Fx"),
            ("a?b#c", "http://a.example/up/a%3Fb%23c"),
            ("a\\b", "http://a.example/up/a%5Cb"),
            ("%2e%2e", "http://a.example/up/%252e%252e"),
            ("a b/ü\n", "http://a.example/up/a%20b%2F%C3%BC"),
        ];
        for (name, expected) in cases {
            let found = address("http://a.example/up", Place::Folder, name);
            assert_eq!(found.as_deref(), Some(expected), "{name}");
        }
        for name in ["", ".", ".."] {
            assert_eq!(address("http://a.example/up", Place::Folder, name), None);
        }
    }

    #[test]
    fn the_debug_output_shows_no_path_and_no_query() {
        let client = Arc::new(Client::new(Settings::default()).unwrap());
        let target = "http://user:hush@a.example/hush?sig=hush".parse().unwrap();
        let shown = format!("{:?}", Uploader::new(client, target, Place::Folder));
        assert!(
            shown.contains("a.example") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
