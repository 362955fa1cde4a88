//! Downloads a published model. The file appears only when it is complete and its SHA-256 is right.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};

use super::checksum::sha256_of_file;
use super::error::{StoreError, TransferError};
use super::partial_file::PartialFile;
use super::registry::{ModelSource, PublishedModel};
use super::transfer::{self, RemoteFile};

/// A download: the model, its source and its destination.
#[derive(Debug, Clone)]
pub struct FetchRequest<'a> {
    /// The model.
    pub model: &'a PublishedModel,
    /// The folder for the file; it is created if it does not exist.
    pub folder: &'a Path,
    /// The URL of a folder with the file under its published name, instead of the publisher's.
    pub mirror: Option<&'a str>,
    /// How failed attempts are retried.
    pub retry: RetryPolicy,
}

/// How failed attempts are retried, with exponential back-off.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The maximum number of attempts after the first one.
    pub max_retries: usize,
    /// The pause before the first retry; each further one is twice as long.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    /// Four retries within about ten seconds: enough for a short outage, and a missing network is
    /// still reported soon.
    fn default() -> Self {
        Self {
            max_retries: 4,
            pause: Duration::from_millis(500),
        }
    }
}

/// Progress of a download.
#[derive(Debug)]
pub enum FetchEvent<'a> {
    /// An intact file exists already; nothing is downloaded.
    AlreadyFetched,
    /// The number of bytes of the file received so far.
    Received(u64),
    /// An attempt failed, and another one follows after the pause.
    Retrying {
        /// Why the attempt failed.
        cause: &'a TransferError,
        /// The pause before the next one.
        pause: Duration,
    },
}

/// Downloads a model and returns the path of its file. An intact file is not downloaded again; an
/// interrupted download, of this run or an earlier one, continues where it stopped.
///
/// # Errors
/// If the model is the embedded one, the file cannot be written, or the download fails. The error of a
/// failed download names the URL, the path and the SHA-256.
pub fn fetch(
    request: &FetchRequest<'_>,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<PathBuf, StoreError> {
    let model = request.model;
    let url = url_of(request)?;
    let target = request.folder.join(model.file_name);
    if sha256_of_file(&target).is_ok_and(|found| found == model.sha256) {
        report(FetchEvent::AlreadyFetched);
        return Ok(target);
    }
    fs::create_dir_all(request.folder).map_err(StoreError::io("create", request.folder))?;
    let mut partial = PartialFile::open_beside(&target)?;
    let failed = |cause: TransferError| StoreError::FetchFailed {
        name: model.name,
        url: url.clone(),
        path: target.clone(),
        sha256: model.sha256,
        cause: Box::new(cause),
    };
    let client = transfer::client().map_err(|cause| failed(TransferError::Connection(cause)))?;
    let remote = RemoteFile {
        client: &client,
        url: &url,
        size: model.size,
    };
    match download(&remote, request, &mut partial, report) {
        Ok(()) => partial.finish(&target)?,
        Err(cause) => {
            partial.keep();
            return Err(failed(cause));
        }
    }
    Ok(target)
}

fn url_of(request: &FetchRequest<'_>) -> Result<String, StoreError> {
    let ModelSource::Url(url) = request.model.source else {
        return Err(StoreError::AlreadyEmbedded {
            name: request.model.name,
        });
    };
    Ok(match request.mirror {
        None => url.to_owned(),
        Some(folder) => format!(
            "{}/{}",
            folder.trim_end_matches('/'),
            request.model.file_name
        ),
    })
}

fn download(
    remote: &RemoteFile<'_>,
    request: &FetchRequest<'_>,
    partial: &mut PartialFile,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), TransferError> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(request.retry.pause)
        .with_max_times(request.retry.max_retries)
        .with_jitter();
    // Both closures report, one at a time.
    let report = RefCell::new(report);
    let attempt = || {
        let mut received = |length| (report.borrow_mut())(FetchEvent::Received(length));
        received(partial.length());
        remote.download(partial, &mut received)?;
        check_sha256(partial, request.model)
    };
    attempt
        .retry(backoff)
        .when(TransferError::is_temporary)
        .notify(|cause, pause| (report.borrow_mut())(FetchEvent::Retrying { cause, pause }))
        .call()
}

/// Checks the SHA-256 of the received bytes. If it is wrong they are useless, and are discarded.
fn check_sha256(partial: &mut PartialFile, model: &PublishedModel) -> Result<(), TransferError> {
    let found = partial.sha256();
    if found == model.sha256 {
        return Ok(());
    }
    let resumed = partial.is_resumed();
    partial.restart().map_err(TransferError::Disk)?;
    Err(TransferError::WrongChecksum {
        found,
        expected: model.sha256,
        resumed,
    })
}
