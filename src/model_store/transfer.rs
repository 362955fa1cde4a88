//! One attempt to bring a file over HTTP, from where the last one stopped.

use std::io::{self, Read};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE};

use super::error::TransferError;
use super::part::Part;
use crate::tls;

/// A client for large files, which takes its proxy from the environment.
///
/// Its timeouts watch single steps, not the whole transfer, which may take an hour.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    /// How long a server may stay silent.
    const SILENCE: Duration = Duration::from_secs(30);
    /// How long it may take to reach it.
    const CONNECT: Duration = Duration::from_secs(15);
    Client::builder()
        .tls_backend_preconfigured(tls::client_config())
        .user_agent(concat!("clipdraw/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(SILENCE)
        .build()
}

/// Adds to `part` what is missing of the file at `url`, which has `size` bytes, and tells
/// `advanced` its length after each step.
pub(super) fn transfer(
    (client, url): (&Client, &str),
    part: &mut Part,
    size: u64,
    advanced: &mut dyn FnMut(u64),
) -> Result<(), TransferError> {
    if part.length() == size {
        return Ok(());
    }
    if part.length() > size {
        part.restart().map_err(TransferError::Disk)?;
    }
    let mut response = ask(client, url, part)?;
    copy(&mut response, part, advanced)?;
    if part.length() < size {
        return Err(TransferError::BrokenOff {
            received: part.length(),
            cause: None,
        });
    }
    Ok(())
}

/// Asks for what is missing, and makes `part` end where the answer begins.
fn ask(client: &Client, url: &str, part: &mut Part) -> Result<Response, TransferError> {
    let mut request = client.get(url);
    let start = part.length();
    if start > 0 {
        request = request.header(RANGE, format!("bytes={start}-"));
    }
    let response = request
        .send()
        .map_err(|cause| TransferError::Connection(cause.without_url()))?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if first_byte(&response) == Some(start) => Ok(response),
        StatusCode::OK => {
            // Also the answer of a server that knows no ranges: it begins anew, and so do we.
            part.restart().map_err(TransferError::Disk)?;
            Ok(response)
        }
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            part.restart().map_err(TransferError::Disk)?;
            Err(TransferError::NotContinued(start))
        }
        status => Err(TransferError::Status(status)),
    }
}

/// Where a partial answer begins: 100 of `Content-Range: bytes 100-199/200`.
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
    part: &mut Part,
    advanced: &mut dyn FnMut(u64),
) -> Result<(), TransferError> {
    /// Bytes between two reports: a bar moves smoothly on a slow line, and calls cost nothing.
    const CHUNK: usize = 1 << 16;
    let mut chunk = vec![0; CHUNK];
    loop {
        match response.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                part.append(&chunk[..count]).map_err(TransferError::Disk)?;
                advanced(part.length());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(TransferError::BrokenOff {
                    received: part.length(),
                    cause: Some(error),
                });
            }
        }
    }
}
