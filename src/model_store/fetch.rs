//! Downloads a published model. The file appears complete and with the right SHA-256, or not at all.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};
use reqwest::blocking::Client;

use super::checksum;
use super::error::{StoreError, TransferError};
use super::part::Part;
use super::registry::{PublishedModel, Source};
use super::transfer;

/// A download: the model, its source and its destination.
#[derive(Debug, Clone)]
pub struct FetchRequest<'a> {
    /// The model.
    pub model: &'a PublishedModel,
    /// The folder that receives the file; it is created if it does not exist.
    pub folder: &'a Path,
    /// The address of a folder that holds the file under its published name, instead of the
    /// publisher's address.
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
    pub(super) fn back_off(self) -> ExponentialBuilder {
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
pub enum Event<'a> {
    /// The download of one of several files begins.
    Begun {
        /// The file's name.
        name: &'a str,
        /// Its length in bytes.
        size: u64,
    },
    /// An intact file exists already; nothing is downloaded.
    AlreadyHere,
    /// The number of bytes of the file received so far.
    Arrived(u64),
    /// An attempt failed, and another one follows after the pause.
    Retrying {
        /// Why the attempt failed.
        cause: &'a TransferError,
        /// The pause before the next one.
        pause: Duration,
    },
}

/// Fetches a model and returns the path of its file. An intact file stays as it is; a download
/// that broke off, in this run or an earlier one, continues where it stopped.
///
/// # Errors
/// When the model is the embedded one, when the file cannot be written, or when the download
/// failed for good: the error then names the address, the path and the SHA-256.
pub fn fetch(
    request: &FetchRequest<'_>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<PathBuf, StoreError> {
    let model = request.model;
    let url = address(request)?;
    let target = request.folder.join(model.file_name);
    if checksum::of_file(&target).is_ok_and(|found| found == model.sha256) {
        report(Event::AlreadyHere);
        return Ok(target);
    }
    fs::create_dir_all(request.folder).map_err(StoreError::unusable("create", request.folder))?;
    let mut part = Part::beside(&target)?;
    let unfetchable = |cause: TransferError| StoreError::Unfetchable {
        name: model.name,
        url: url.clone(),
        path: target.clone(),
        sha256: model.sha256,
        cause: Box::new(cause),
    };
    let client =
        transfer::client().map_err(|cause| unfetchable(TransferError::Connection(cause)))?;
    let wanted = Wanted {
        url: &url,
        size: model.size,
        sha256: Some(model.sha256),
    };
    match download(&client, &wanted, request.retry, &mut part, report) {
        Ok(()) => part.finish(&target)?,
        Err(cause) => {
            part.leave();
            return Err(unfetchable(cause));
        }
    }
    Ok(target)
}

fn address(request: &FetchRequest<'_>) -> Result<String, StoreError> {
    let Source::Url(url) = request.model.source else {
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

/// A file to download.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Its address.
    pub(super) url: &'a str,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Its SHA-256, where it is known.
    pub(super) sha256: Option<&'a str>,
}

/// Brings a file, or the rest of it, in as many attempts as the policy allows.
pub(super) fn download(
    client: &Client,
    wanted: &Wanted<'_>,
    retry: RetryPolicy,
    part: &mut Part,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), TransferError> {
    // Both closures report, one at a time.
    let report = RefCell::new(report);
    let attempt = || {
        let mut arrived = |length| (report.borrow_mut())(Event::Arrived(length));
        arrived(part.length());
        transfer::transfer((client, wanted.url), part, wanted.size, &mut arrived)?;
        check_sum(part, wanted)
    };
    attempt
        .retry(retry.back_off())
        .when(TransferError::may_pass)
        .notify(|cause, pause| (report.borrow_mut())(Event::Retrying { cause, pause }))
        .call()
}

/// Compares the sum of all that arrived; bytes with a wrong one are of no use to any later run.
fn check_sum(part: &mut Part, wanted: &Wanted<'_>) -> Result<(), TransferError> {
    let found = part.sum();
    let Some(expected) = wanted.sha256.filter(|expected| *expected != found) else {
        return Ok(());
    };
    let continued = part.continued();
    part.restart().map_err(TransferError::Disk)?;
    Err(TransferError::WrongSum {
        found,
        expected: expected.to_owned(),
        continued,
    })
}
