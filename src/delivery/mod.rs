//! Requests that the server sends: webhooks, uploads and downloads, to URLs that callers choose.
//!
//! Because callers choose the URLs, every request is checked against an [`AddressPolicy`]: when the
//! prediction is submitted, so that the caller learns at once that a URL is refused; when its host
//! name has been resolved, because only then the IP address is known; and at every redirect.

mod address;
mod certificate;
mod error;
mod host_pattern;
mod policy;
mod resolver;
#[cfg(test)]
mod test_server;
mod client;
mod upload;
mod file_sink;
mod download;
pub mod webhook;

pub use client::{Client, ClientConfig, ClientTimeouts};
pub use download::{DownloadError, Downloader};
pub use error::{AddressError, ClientError, PolicyError, SendError};
pub use file_sink::UploadingFileSink;
pub use host_pattern::{HostPattern, HostPatternError};
pub use policy::{AddressPolicy, PrivateAddresses};
pub use upload::{UploadError, Uploader};
