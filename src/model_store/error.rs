//! Errors of finding and downloading weights.

use std::io;
use std::path::{Path, PathBuf};

use super::hub_model::{HubModel, open_clip_name};
use super::registry::{self, MODELS};

/// Why weights cannot be found or downloaded.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no model and no file with that name.
    #[error("there are no CLIP weights with the name `{name}`")]
    UnknownName {
        /// The requested name.
        name: String,
        /// The most similar known name.
        suggestion: Option<&'static str>,
    },
    /// The model is known, but its file is not on this machine.
    #[error("the weights {name} are not on this machine; searched folders: {}", join_paths(.folders))]
    NotFetched {
        /// The model's name.
        name: String,
        /// The folders that were searched.
        folders: Vec<PathBuf>,
    },
    /// There is no file at the given path.
    #[error("no weights file at {path}")]
    NoSuchFile {
        /// The path that was given.
        path: PathBuf,
    },
    /// A file has the name of a published model, but not its size.
    #[error("{path} is not the published {name}: it has {found} bytes, not {expected}")]
    WrongSize {
        /// The model's name.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The published size in bytes.
        expected: u64,
    },
    /// The file is a Git LFS pointer, which only says where the weights are.
    #[error("{path} is a Git LFS pointer, not the weights themselves")]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// The file contains only the beginning of the weights.
    #[error("{path} is incomplete: it has {found} bytes, and its header needs {expected}")]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
        /// The size in bytes according to its header.
        expected: u64,
    },
    /// A download was interrupted.
    #[error("{path} is an unfinished download of {name}")]
    Unfinished {
        /// The model's name.
        name: &'static str,
        /// The unfinished file.
        path: PathBuf,
    },
    /// A model on the hub cannot be fetched.
    #[error("cannot fetch {name} from {url}")]
    HubFetchFailed {
        /// The model's name.
        name: String,
        /// The URL of the last attempt.
        url: String,
        /// The variable or the file with the token that was sent, if there was one.
        token: Option<String>,
        /// Whether the URL is that of a mirror.
        is_mirror: bool,
        /// Why the last attempt failed.
        #[source]
        cause: Box<TransferError>,
    },
    /// A repository on the hub has no weights that can be read.
    #[error("{name} has no weights that can be read; its files are {}", .files.join(", "))]
    NoWeightsOnHub {
        /// The model's name.
        name: String,
        /// The files of the repository.
        files: Vec<String>,
    },
    /// A token for the hub has characters that cannot be sent.
    #[error("the token for Hugging Face's hub in {place} has characters that no token has")]
    WrongToken {
        /// The variable or the file that it is from.
        place: String,
    },
    /// There can be no HTTP client.
    #[error("cannot prepare the download")]
    NoClient(#[source] reqwest::Error),
    /// The embedded model need not be fetched.
    #[error("{name} is part of the program and need not be fetched")]
    AlreadyEmbedded {
        /// The model's name.
        name: &'static str,
    },
    /// The machine has no home folder, and no weights folder was given.
    #[error("there is no folder for weights")]
    NoFolder,
    /// Another process is fetching the same file.
    #[error("another process is writing {path}")]
    Busy {
        /// The partial file.
        path: PathBuf,
    },
    /// The download failed.
    #[error("cannot fetch {name} from {url}")]
    FetchFailed {
        /// The model's name.
        name: &'static str,
        /// The URL of the file.
        url: String,
        /// Where the file belongs.
        path: PathBuf,
        /// The SHA-256 of the published file.
        sha256: &'static str,
        /// Why the last attempt failed.
        #[source]
        cause: Box<TransferError>,
    },
    /// A file or a folder cannot be read, written or created.
    #[error("cannot {action} {path}")]
    Io {
        /// What failed, for example `read`, `write` or `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
}

/// Why one attempt to download a file failed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server could not be reached, or the connection was lost.
    #[error("the connection failed")]
    Connection(#[source] reqwest::Error),
    /// The transfer was interrupted.
    #[error("the transfer was interrupted after {received} bytes")]
    Interrupted {
        /// How many bytes of the file have been received, in all attempts together.
        received: u64,
        /// The error of the operating system, if there was one.
        #[source]
        cause: Option<io::Error>,
    },
    /// The server answered with another status than success.
    #[error("the server answered {0}")]
    Status(reqwest::StatusCode),
    /// The server did not continue where the last attempt stopped.
    #[error("the server cannot continue at byte {0}")]
    NotResumed(u64),
    /// The downloaded file is not the published one.
    #[error("the file's SHA-256 is {found}, expected {expected}")]
    WrongChecksum {
        /// The SHA-256 of the downloaded file.
        found: String,
        /// The published one.
        expected: String,
        /// Whether a part of it is from an earlier run, so that starting again may help.
        resumed: bool,
    },
    /// The response is not a list of files.
    #[error("the response is not a list of files")]
    NoListing(#[source] reqwest::Error),
    /// The received bytes cannot be written.
    #[error("cannot write the received bytes")]
    Disk(#[source] io::Error),
}

impl TransferError {
    /// Whether the server does not have the file.
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(status) if matches!(status.as_u16(), 401 | 403 | 404 | 410))
    }

    /// Whether another attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Connection(cause) => !cause.is_builder() && !cause.is_redirect(),
            Self::Interrupted { .. } | Self::NotResumed(_) => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::WrongChecksum { resumed, .. } => *resumed,
            Self::Disk(_) | Self::NoListing(_) => false,
        }
    }
}

impl StoreError {
    /// What the user can do about it, one step per line, if there is anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { name, suggestion } => Some(unknown_name_hint(name, *suggestion)),
            Self::NotFetched { name, .. } => {
                Some(format!("get them with: clipdraw weights fetch {name}"))
            }
            Self::WrongSize { name, path, .. } => Some(format!(
                "check it with: clipdraw weights verify {}\nreplace it with: clipdraw weights fetch {name}",
                path.display()
            )),
            Self::NoFolder => Some("choose one with --weights-dir".to_owned()),
            Self::LfsPointer { path } => Some(format!(
                "get the weights with: git lfs pull, in the folder of {}",
                path.display()
            )),
            Self::Unfinished { name, .. } => {
                Some(format!("finish it with: clipdraw weights fetch {name}"))
            }
            Self::HubFetchFailed {
                name,
                token,
                is_mirror,
                cause,
                ..
            } => Some(hub_hint(
                cause,
                &access_hint(name, token.as_deref(), *is_mirror),
            )),
            Self::FetchFailed {
                name,
                path,
                sha256,
                cause,
                ..
            } if cause.is_not_found() => Some(not_found_hint(name, path, sha256)),
            Self::FetchFailed {
                url, path, sha256, ..
            } => Some(format!(
                "the received part is kept, and the next fetch continues there\n\
                 behind a proxy: set HTTPS_PROXY\n\
                 from a mirror: add --url https://host/folder\n\
                 by hand: download {url}\n\
                 and place it at {}, with the SHA-256 {sha256}",
                path.display()
            )),
            _ => None,
        }
    }

    /// Adds the action and the path to an error of the operating system.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io {
            action,
            path,
            cause,
        }
    }
}

/// What to do if there are no weights with this name.
fn unknown_name_hint(name: &str, suggestion: Option<&str>) -> String {
    let suggestion = suggestion.map(|name| format!("did you mean {name}?\n"));
    let on_hub = HubModel::of_repository(name).map(|model| {
        format!(
            "if it is a model on Hugging Face's hub: clipdraw weights fetch {0}, then --weights {0}\n",
            model.name()
        )
    });
    let known: Vec<_> = MODELS.iter().map(|model| model.name).collect();
    format!(
        "{}{}known weights: {}, hf:ORGANIZATION/NAME on Hugging Face's hub, or a path",
        suggestion.unwrap_or_default(),
        on_hub.unwrap_or_default(),
        known.join(", ")
    )
}

/// What to do if a model on the hub cannot be fetched. `access` is what to do if it may not be read.
fn hub_hint(cause: &TransferError, access: &str) -> String {
    if cause.is_not_found() {
        return format!(
            "{access}\nor download the model elsewhere and use its folder with: --weights FOLDER"
        );
    }
    "the received part is kept, and the next fetch continues there\n\
     behind a proxy: set HTTPS_PROXY\n\
     from a mirror of the hub: add --url https://host\n\
     or download the folder elsewhere and use it with: --weights FOLDER"
        .to_owned()
}

/// What to do if a model on the hub does not exist or may not be read. Without a right to read a repository, the hub
/// does not say which of them it is.
fn access_hint(name: &str, token: Option<&str>, is_mirror: bool) -> String {
    let repository = name.trim_start_matches("hf:");
    let page = format!("look up the name on https://huggingface.co/{repository}");
    match token {
        _ if is_mirror => format!(
            "{page}\nif the repository is private or has a license to accept: fetch it without --url, because a token is \
             not sent to a mirror"
        ),
        Some(place) => format!(
            "{page}, and accept its license there if it has one\nthe token in {place} may not be valid, or may not be \
             allowed to read this repository"
        ),
        None => format!(
            "{page}\nif the repository is private or has a license to accept: set HF_TOKEN to a token that may read it \
             (https://huggingface.co/settings/tokens)"
        ),
    }
}

/// What to do if the file of a published model no longer exists at its URL.
fn not_found_hint(name: &str, path: &Path, sha256: &str) -> String {
    let name = registry::find(name).and_then(open_clip_name);
    let elsewhere = name.and_then(|name| Some((HubModel::find(&name)?.repository, name)));
    let elsewhere = elsewhere.map(|(repository, name)| {
        format!(
            "the same model is published at https://huggingface.co/{repository}\n\
             get it from there with: clipdraw weights fetch {name}\n\
             draw with it with: --weights {name}, or --weights FOLDER if the folder was downloaded another way\n"
        )
    });
    format!(
        "{}from a mirror: add --url https://host/folder\n\
         or copy the file from a machine that has it\n\
         and place it at {}, with the SHA-256 {sha256}",
        elsewhere.unwrap_or_default(),
        path.display()
    )
}

fn join_paths(folders: &[PathBuf]) -> String {
    let all: Vec<_> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    all.join(" and ")
}
