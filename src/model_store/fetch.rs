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

impl RetryPolicy {
    /// The pauses between attempts.
    pub(super) fn backoff(self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.pause)
            .with_max_times(self.max_retries)
            .with_jitter()
    }
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
    /// The download of one of several files begins.
    FileStarted {
        /// The file's name.
        name: &'a str,
        /// Its size in bytes.
        size: u64,
    },
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
    let failed = |cause: TransferError| StoreError::FetchFailed {
        name: model.name,
        url: url.clone(),
        path: target.clone(),
        sha256: model.sha256,
        cause: Box::new(cause),
    };
    let client =
        transfer::client(None).map_err(|cause| failed(TransferError::Connection(cause)))?;
    let remote = RemoteFile {
        client: &client,
        url: &url,
        size: model.size,
        sha256: Some(model.sha256),
    };
    download_to(&target, &remote, request.retry, failed, report)?;
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

/// Downloads a file, which appears as `target` only when it is complete and intact. What was received of it
/// until a failure is kept for the next run. `failed` makes the error of a failed download.
pub(super) fn download_to(
    target: &Path,
    remote: &RemoteFile<'_>,
    retry: RetryPolicy,
    failed: impl FnOnce(TransferError) -> StoreError,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), StoreError> {
    let mut partial = PartialFile::open_beside(target)?;
    match download(remote, retry, &mut partial, report) {
        Ok(()) => partial.finish(target),
        Err(cause) => {
            partial.keep();
            Err(failed(cause))
        }
    }
}

/// Downloads a file, or the rest of it, in as many attempts as the policy allows.
fn download(
    remote: &RemoteFile<'_>,
    retry: RetryPolicy,
    partial: &mut PartialFile,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), TransferError> {
    // Both closures report, one at a time.
    let report = RefCell::new(report);
    let attempt = || {
        let mut received = |length| (report.borrow_mut())(FetchEvent::Received(length));
        received(partial.length());
        remote.download(partial, &mut received)?;
        check_sha256(partial, remote)
    };
    attempt
        .retry(retry.backoff())
        .when(TransferError::is_temporary)
        .notify(|cause, pause| (report.borrow_mut())(FetchEvent::Retrying { cause, pause }))
        .call()
}

/// Checks the SHA-256 of the received bytes. If it is wrong they are useless, and are discarded.
fn check_sha256(partial: &mut PartialFile, remote: &RemoteFile<'_>) -> Result<(), TransferError> {
    let found = partial.sha256();
    let Some(expected) = remote.sha256.filter(|expected| *expected != found) else {
        return Ok(());
    };
    let resumed = partial.is_resumed();
    partial.restart().map_err(TransferError::Disk)?;
    Err(TransferError::WrongChecksum {
        found,
        expected: expected.to_owned(),
        resumed,
    })
}
