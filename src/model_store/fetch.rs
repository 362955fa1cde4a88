//! Brings a published model onto this machine: whole and with the right SHA-256, or not at all.

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

/// What to fetch, from where, and where to.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The model.
    pub model: &'a PublishedModel,
    /// The folder that receives the file; it is made if there is none.
    pub folder: &'a Path,
    /// The address of a folder that holds the file under its published name, instead of the
    /// place where it was published.
    pub mirror: Option<&'a str>,
    /// How long to keep trying.
    pub patience: Patience,
}

/// How often a failed attempt is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Attempts after the first one.
    pub repeats: usize,
    /// Pause before the first repeat; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    /// Four repeats within about ten seconds: enough for a hiccup, and without a network the
    /// answer comes soon.
    fn default() -> Self {
        Self {
            repeats: 4,
            pause: Duration::from_millis(500),
        }
    }
}

/// What happens during a fetch, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// The file is here already and intact; nothing is downloaded.
    AlreadyHere,
    /// So many bytes of the file have arrived.
    Arrived(u64),
    /// An attempt failed, and another one follows after the pause.
    Retrying {
        /// What the attempt met.
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
pub fn fetch(order: &Order<'_>, report: &mut dyn FnMut(Event<'_>)) -> Result<PathBuf, StoreError> {
    let model = order.model;
    let url = address(order)?;
    let target = order.folder.join(model.file_name);
    if checksum::of_file(&target).is_ok_and(|found| found == model.sha256) {
        report(Event::AlreadyHere);
        return Ok(target);
    }
    fs::create_dir_all(order.folder).map_err(StoreError::unusable("create", order.folder))?;
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
    match download((&client, &url), order, &mut part, report) {
        Ok(()) => part.finish(&target)?,
        Err(cause) => {
            part.leave();
            return Err(unfetchable(cause));
        }
    }
    Ok(target)
}

fn address(order: &Order<'_>) -> Result<String, StoreError> {
    let Source::Url(url) = order.model.source else {
        return Err(StoreError::AlreadyEmbedded {
            name: order.model.name,
        });
    };
    Ok(match order.mirror {
        None => url.to_owned(),
        Some(folder) => format!("{}/{}", folder.trim_end_matches('/'), order.model.file_name),
    })
}

fn download(
    server: (&Client, &str),
    order: &Order<'_>,
    part: &mut Part,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), TransferError> {
    let back_off = ExponentialBuilder::default()
        .with_min_delay(order.patience.pause)
        .with_max_times(order.patience.repeats)
        .with_jitter();
    // Both closures report, one at a time.
    let report = RefCell::new(report);
    let attempt = || {
        let mut arrived = |length| (report.borrow_mut())(Event::Arrived(length));
        arrived(part.length());
        transfer::transfer(server, part, order.model.size, &mut arrived)?;
        check_sum(part, order.model)
    };
    attempt
        .retry(back_off)
        .when(TransferError::may_pass)
        .notify(|cause, pause| (report.borrow_mut())(Event::Retrying { cause, pause }))
        .call()
}

/// Compares the sum of all that arrived; bytes with a wrong one are of no use to any later run.
fn check_sum(part: &mut Part, model: &PublishedModel) -> Result<(), TransferError> {
    let found = part.sum();
    if found == model.sha256 {
        return Ok(());
    }
    let continued = part.continued();
    part.restart().map_err(TransferError::Disk)?;
    Err(TransferError::WrongSum {
        found,
        expected: model.sha256,
        continued,
    })
}
