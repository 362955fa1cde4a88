//! Downloads a model from Hugging Face's hub: its weights, and the configurations that are needed to read
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use backon::BlockingRetryable;
use reqwest::blocking::Client;

use super::checksum::sha256_of_file;
use super::error::{StoreError, TransferError};
use super::fetch::{FetchEvent, RetryPolicy, download_to};
use super::hub_listing::{HubFile, list, needed};
use super::hub_model::HubModel;
use super::transfer::{self, RemoteFile};

/// The URL of the hub.
const HUB_URL: &str = "https://huggingface.co";

/// A download from the hub.
#[derive(Debug, Clone)]
pub struct HubRequest<'a> {
    /// The model.
    pub model: &'a HubModel,
    /// The weights folder; the files are written to a folder in it.
    pub folder: &'a Path,
    /// The URL of a mirror, instead of the hub's.
    pub mirror: Option<&'a str>,
    /// How failed attempts are retried.
    pub retry: RetryPolicy,
}

/// Downloads a model and returns the folder with its files. Intact weights are not downloaded again, and an
/// interrupted download continues where it stopped. The SHA-256 of the weights is compared with that in the
/// hub's list.
///
/// # Errors
/// If the repository or its weights do not exist, a file cannot be written, or the download fails.
pub fn fetch_from_hub(
    request: &HubRequest<'_>,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<PathBuf, StoreError> {
    let hub = request.mirror.unwrap_or(HUB_URL).trim_end_matches('/');
    let repository = &request.model.repository;
    let url = format!("{hub}/api/models/{repository}/tree/main");
    let client = transfer::client()
        .map_err(|cause| failed(request, &url)(TransferError::Connection(cause)))?;
    let files = (|| list(&client, &url))
        .retry(request.retry.backoff())
        .when(TransferError::is_temporary)
        .call()
        .map_err(failed(request, &url))?;
    let files = needed(&files).ok_or_else(|| StoreError::NoWeightsOnHub {
        name: request.model.name(),
        files: files.iter().map(|file| file.path.clone()).collect(),
    })?;
    let folder = request.folder.join(request.model.folder_name());
    fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
    for file in &files {
        let file = FileToFetch {
            url: format!("{hub}/{repository}/resolve/main/{}", file.path),
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
    /// Whether an intact file exists already. A small file has no checksum and is downloaded again, because
    /// it may have changed.
    fn is_fetched(&self) -> bool {
        let found = sha256_of_file(&self.target).ok();
        found.is_some() && found.as_deref() == self.listed.sha256()
    }
}

fn fetch_file(
    client: &Client,
    request: &HubRequest<'_>,
    file: &FileToFetch<'_>,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), StoreError> {
    report(FetchEvent::FileStarted {
        name: &file.listed.path,
        size: file.listed.size,
    });
    if file.is_fetched() {
        report(FetchEvent::AlreadyFetched);
        return Ok(());
    }
    let remote = RemoteFile {
        client,
        url: &file.url,
        size: file.listed.size,
        sha256: file.listed.sha256(),
    };
    let failed = failed(request, &file.url);
    download_to(&file.target, &remote, request.retry, failed, report)
}

fn failed(request: &HubRequest<'_>, url: &str) -> impl FnOnce(TransferError) -> StoreError {
    let (name, url) = (request.model.name(), url.to_owned());
    move |cause| StoreError::HubFetchFailed {
        name,
        url,
        cause: Box::new(cause),
    }
}
