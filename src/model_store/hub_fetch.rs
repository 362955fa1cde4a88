//! Downloads a model from Hugging Face's hub: its weights, and the configurations that say how to read them.

use std::fs;
use std::path::{Path, PathBuf};

use backon::BlockingRetryable;
use reqwest::blocking::Client;

use super::checksum;
use super::error::{StoreError, TransferError};
use super::fetch::{Event, RetryPolicy, Wanted, download};
use super::hub_listing::{HubFile, list, needed};
use super::hub_model::HubModel;
use super::part::Part;
use super::transfer;

/// The hub.
const ADDRESS: &str = "https://huggingface.co";

/// A download from the hub.
#[derive(Debug, Clone)]
pub struct HubRequest<'a> {
    /// The model.
    pub model: &'a HubModel,
    /// The weights folder, which receives a folder with the files.
    pub folder: &'a Path,
    /// The address of a mirror, instead of the hub's.
    pub mirror: Option<&'a str>,
    /// How failed attempts are retried.
    pub retry: RetryPolicy,
}

/// Fetches a model and returns the folder with its files. Files that are here and intact stay as they are, and a download
/// that broke off continues where it stopped. Weights are compared with the SHA-256 that the hub lists.
///
/// # Errors
/// When the repository or its weights do not exist, when a file cannot be written, or when the download failed for good.
pub fn fetch_from_hub(
    request: &HubRequest<'_>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<PathBuf, StoreError> {
    let address = request.mirror.unwrap_or(ADDRESS).trim_end_matches('/');
    let repository = &request.model.repository;
    let url = format!("{address}/api/models/{repository}/tree/main");
    let client = transfer::client()
        .map_err(|cause| unfetchable(request, &url)(TransferError::Connection(cause)))?;
    let files = (|| list(&client, &url))
        .retry(request.retry.back_off())
        .when(TransferError::may_pass)
        .call()
        .map_err(unfetchable(request, &url))?;
    let files = needed(&files).ok_or_else(|| StoreError::NoWeightsOnHub {
        name: request.model.name(),
        files: files.iter().map(|file| file.path.clone()).collect(),
    })?;
    let folder = request.folder.join(request.model.folder_name());
    fs::create_dir_all(&folder).map_err(StoreError::unusable("create", &folder))?;
    for file in &files {
        let file = FileToFetch {
            url: format!("{address}/{repository}/resolve/main/{}", file.path),
            target: folder.join(&file.path),
            listed: file,
        };
        fetch_file(&client, request, &file, report)?;
    }
    Ok(folder)
}

/// One file of a repository.
struct FileToFetch<'a> {
    listed: &'a HubFile,
    url: String,
    target: PathBuf,
}

impl FileToFetch<'_> {
    /// Whether it is here already. A small file has no sum and is fetched anew, since it may have changed.
    fn is_here(&self) -> bool {
        let found = checksum::of_file(&self.target).ok();
        found.is_some() && found.as_deref() == self.listed.sha256()
    }
}

fn fetch_file(
    client: &Client,
    request: &HubRequest<'_>,
    file: &FileToFetch<'_>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(), StoreError> {
    report(Event::Begun {
        name: &file.listed.path,
        size: file.listed.size,
    });
    if file.is_here() {
        report(Event::AlreadyHere);
        return Ok(());
    }
    let mut part = Part::beside(&file.target)?;
    let wanted = Wanted {
        url: &file.url,
        size: file.listed.size,
        sha256: file.listed.sha256(),
    };
    match download(client, &wanted, request.retry, &mut part, report) {
        Ok(()) => part.finish(&file.target),
        Err(cause) => {
            part.leave();
            Err(unfetchable(request, &file.url)(cause))
        }
    }
}

fn unfetchable(request: &HubRequest<'_>, url: &str) -> impl FnOnce(TransferError) -> StoreError {
    let (name, url) = (request.model.name(), url.to_owned());
    move |cause| StoreError::HubUnfetchable {
        name,
        url,
        cause: Box::new(cause),
    }
}
