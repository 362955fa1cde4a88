//! Errors of finding and downloading weights.

use std::io;
use std::path::PathBuf;

use super::registry::MODELS;

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
        name: &'static str,
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
        expected: &'static str,
        /// Whether a part of it is from an earlier run, so that starting again may help.
        resumed: bool,
    },
    /// The received bytes cannot be written.
    #[error("cannot write the received bytes")]
    Disk(#[source] io::Error),
}

impl TransferError {
    /// Whether another attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Connection(cause) => !cause.is_builder() && !cause.is_redirect(),
            Self::Interrupted { .. } | Self::NotResumed(_) => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::WrongChecksum { resumed, .. } => *resumed,
            Self::Disk(_) => false,
        }
    }
}

impl StoreError {
    /// What the user can do about it, one step per line, if there is anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { suggestion, .. } => {
                let suggestion = suggestion.map(|name| format!("did you mean {name}?\n"));
                let known: Vec<_> = MODELS.iter().map(|model| model.name).collect();
                Some(format!(
                    "{}known weights: {}",
                    suggestion.unwrap_or_default(),
                    known.join(", ")
                ))
            }
            Self::NotFetched { name, .. } => {
                Some(format!("get them with: clipdraw weights fetch {name}"))
            }
            Self::WrongSize { name, path, .. } => Some(format!(
                "check it with: clipdraw weights verify {}\nreplace it with: clipdraw weights fetch {name}",
                path.display()
            )),
            Self::NoFolder => Some("choose one with --weights-dir".to_owned()),
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

fn join_paths(folders: &[PathBuf]) -> String {
    let all: Vec<_> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    all.join(" and ")
}
