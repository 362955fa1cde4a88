//! Downloads a model from Hugging Face's hub: its weights, and the configurations that are needed to read
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use backon::BlockingRetryable;
use reqwest::blocking::Client;
use reqwest::header::HeaderValue;

use super::checksum::sha256_of_file;
use super::error::{StoreError, TransferError};
use super::fetch::{FetchEvent, RetryPolicy, download_to};
use super::hub_listing::{HubFile, list, needed};
use super::hub_model::HubModel;
use super::transfer::{self, RemoteFile};
use crate::environment::{self, HubToken};

/// The URL of the hub.
const HUB_URL: &str = "https://huggingface.co";

/// A download from the hub.
#[derive(Debug, Clone)]
pub struct HubRequest<'a> {
    /// The model.
    pub model: &'a HubModel,
    /// The weights folder; the files are written to a folder in it.
    pub folder: &'a Path,
    /// The URL of a mirror, instead of the hub's. The token is not sent to it.
    pub mirror: Option<&'a str>,
    /// How failed attempts are retried.
    pub retry: RetryPolicy,
}

impl HubRequest<'_> {
    /// The URL that the files are downloaded from, without a slash at the end.
    fn url(&self) -> String {
        let hub = || environment::hub_url().unwrap_or_else(|| HUB_URL.to_owned());
        let url = self.mirror.map_or_else(hub, str::to_owned);
        url.trim_end_matches('/').to_owned()
    }

    /// The token, unless the files are downloaded from a mirror.
    fn token(&self) -> Option<HubToken> {
        match self.mirror {
            Some(_) => None,
            None => environment::hub_token(),
        }
    }
}

/// Downloads a model and returns the folder with its files. Intact weights are not downloaded again, and an
/// interrupted download continues where it stopped. The SHA-256 of the weights is compared with that in the
/// hub's list.
///
/// A token for the hub is read from the environment, as `huggingface_hub` does. It is sent to the hub only.
///
/// # Errors
/// If the repository or its weights do not exist or may not be read, a file cannot be written, or the download fails.
pub fn fetch_from_hub(
    request: &HubRequest<'_>,
    report: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<PathBuf, StoreError> {
    let hub = request.url();
    let token = request.token();
    let access = Access {
        client: transfer::client(authorization(token.as_ref())?).map_err(StoreError::NoClient)?,
        token: token.map(|token| token.place),
        request,
    };
    let repository = &request.model.repository;
    let url = format!("{hub}/api/models/{repository}/tree/main");
    let files = (|| list(&access.client, &url))
        .retry(request.retry.backoff())
        .when(TransferError::is_temporary)
        .call()
        .map_err(access.failed(&url))?;
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
        fetch_file(&access, &file, report)?;
    }
    Ok(folder)
}

/// The header for a token.
///
/// # Errors
/// If the token has characters that cannot be sent.
fn authorization(token: Option<&HubToken>) -> Result<Option<HeaderValue>, StoreError> {
    let Some(token) = token else {
        return Ok(None);
    };
    let value = HeaderValue::try_from(format!("Bearer {}", token.secret));
    let mut value = value.map_err(|_| StoreError::WrongToken {
        place: token.place.clone(),
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A client with access to the hub, and what errors say about a request.
struct Access<'a> {
    client: Client,
    /// The variable or the file with the token.
    token: Option<String>,
    request: &'a HubRequest<'a>,
}

impl Access<'_> {
    fn failed(&self, url: &str) -> impl FnOnce(TransferError) -> StoreError {
        let (name, url) = (self.request.model.name(), url.to_owned());
        let token = self.token.clone();
        let is_mirror = self.request.mirror.is_some();
        move |cause| StoreError::HubFetchFailed {
            name,
            url,
            token,
            is_mirror,
            cause: Box::new(cause),
        }
    }
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
    access: &Access<'_>,
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
        client: &access.client,
        url: &file.url,
        size: file.listed.size,
        sha256: file.listed.sha256(),
    };
    let failed = access.failed(&file.url);
    download_to(&file.target, &remote, access.request.retry, failed, report)
}
