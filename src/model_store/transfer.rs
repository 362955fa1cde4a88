//! One attempt to download a file over HTTP, which continues where the last one stopped.

use std::io::{self, Read};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_RANGE, HeaderValue, RANGE};

use super::error::TransferError;
use super::partial_file::PartialFile;
use crate::tls;

/// A client for large files, which takes its proxy from the environment. It sends the value of `Authorization` with
/// every request, but not to another host that it is redirected to (reqwest's `redirect`).
///
/// Its timeouts apply to single reads, not to the whole transfer, which may take an hour.
pub(super) fn client(authorization: Option<HeaderValue>) -> Result<Client, reqwest::Error> {
    /// The maximum time without a byte from the server.
    const READ: Duration = Duration::from_secs(30);
    /// The maximum time to connect.
    const CONNECT: Duration = Duration::from_secs(15);
    Client::builder()
        .tls_backend_preconfigured(tls::client_config())
        .user_agent(concat!("clipdraw/", env!("CARGO_PKG_VERSION")))
        .default_headers(
            authorization
                .map(|value| (AUTHORIZATION, value))
                .into_iter()
                .collect(),
        )
        .connect_timeout(CONNECT)
        .timeout(READ)
        .build()
}

/// A file on a server, and the client to download it with.
#[derive(Debug)]
pub(super) struct RemoteFile<'a> {
    pub(super) client: &'a Client,
    pub(super) url: &'a str,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its SHA-256, if it is known.
    pub(super) sha256: Option<&'a str>,
}

impl RemoteFile<'_> {
    /// Appends the missing bytes to `partial`, and reports its length after each chunk.
    pub(super) fn download(
        &self,
        partial: &mut PartialFile,
        report: &mut dyn FnMut(u64),
    ) -> Result<(), TransferError> {
        if partial.length() == self.size {
            return Ok(());
        }
        if partial.length() > self.size {
            partial.restart().map_err(TransferError::Disk)?;
        }
        let mut response = self.request_rest(partial)?;
        copy(&mut response, partial, report)?;
        if partial.length() < self.size {
            return Err(TransferError::Interrupted {
                received: partial.length(),
                cause: None,
            });
        }
        Ok(())
    }

    /// Requests the missing bytes. Afterwards `partial` ends where the response begins.
    fn request_rest(&self, partial: &mut PartialFile) -> Result<Response, TransferError> {
        let mut request = self.client.get(self.url);
        let start = partial.length();
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = request
            .send()
            .map_err(|cause| TransferError::Connection(cause.without_url()))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if first_byte(&response) == Some(start) => Ok(response),
            StatusCode::OK => {
                // A server without support for ranges sends the whole file, so the download starts again.
                partial.restart().map_err(TransferError::Disk)?;
                Ok(response)
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                partial.restart().map_err(TransferError::Disk)?;
                Err(TransferError::NotResumed(start))
            }
            status => Err(TransferError::Status(status)),
        }
    }
}

/// Where a partial response begins: 100 of `Content-Range: bytes 100-199/200`.
fn first_byte(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}

fn copy(
    response: &mut Response,
    partial: &mut PartialFile,
    report: &mut dyn FnMut(u64),
) -> Result<(), TransferError> {
    /// Bytes between two reports: a progress bar moves smoothly on a slow line, and calls cost nothing.
    const CHUNK: usize = 1 << 16;
    let mut chunk = vec![0; CHUNK];
    loop {
        match response.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                partial
                    .append(&chunk[..count])
                    .map_err(TransferError::Disk)?;
                report(partial.length());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(TransferError::Interrupted {
                    received: partial.length(),
                    cause: Some(error),
                });
            }
        }
    }
}
