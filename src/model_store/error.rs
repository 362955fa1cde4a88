//! What can go wrong between a name and a weights file.

use std::io;
use std::path::{Path, PathBuf};

use super::hub_model::{HubModel, open_clip_name};
use super::registry::{self, MODELS};

/// Why weights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No model has that name, and no file either.
    #[error("no CLIP weights are called `{name}`")]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The model is known, but its file is not on this machine.
    #[error("the weights {name} are not on this machine, looked in {}", listed(.folders))]
    NotFetched {
        /// The model's name.
        name: String,
        /// The folders that were searched.
        folders: Vec<PathBuf>,
    },
    /// A path was given, and nothing is there.
    #[error("no weights file at {path}")]
    NoSuchFile {
        /// The path that was given.
        path: PathBuf,
    },
    /// A file has a published model's name, but not its length.
    #[error("{path} is not the published {name}: it has {found} bytes, not {expected}")]
    WrongSize {
        /// The model's name.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The published length in bytes.
        expected: u64,
    },
    /// A file of Git LFS that says where the weights are, and is not the weights.
    #[error("{path} is a Git LFS pointer, not the weights themselves")]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A file has only the beginning of the weights.
    #[error("{path} is incomplete: it has {found} bytes, and its header needs {expected}")]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length in bytes that its header needs.
        expected: u64,
    },
    /// A download that broke off.
    #[error("{path} is an unfinished download of {name}")]
    Unfinished {
        /// The model's name.
        name: &'static str,
        /// The unfinished file.
        path: PathBuf,
    },
    /// A model of the hub's cannot be fetched.
    #[error("cannot fetch {name} from {url}")]
    HubUnfetchable {
        /// The model's name.
        name: String,
        /// The address that was tried last.
        url: String,
        /// What the last attempt met.
        #[source]
        cause: Box<TransferError>,
    },
    /// A repository of the hub's has no weights that can be read.
    #[error("{name} has no weights that can be read; its files are {}", .files.join(", "))]
    NoWeightsOnHub {
        /// The model's name.
        name: String,
        /// The files of the repository.
        files: Vec<String>,
    },
    /// The embedded model was to be fetched.
    #[error("{name} ships inside the program, there is nothing to fetch")]
    AlreadyEmbedded {
        /// The model's name.
        name: &'static str,
    },
    /// The machine has no home folder, and no weights folder was named.
    #[error("there is no folder to keep weights in")]
    NoFolder,
    /// Another process is fetching the same file.
    #[error("another process is writing {path}")]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The download failed for good.
    #[error("cannot fetch {name} from {url}")]
    Unfetchable {
        /// The model's name.
        name: &'static str,
        /// The address that was tried last.
        url: String,
        /// Where the file has to lie.
        path: PathBuf,
        /// The SHA-256 that it has to have.
        sha256: &'static str,
        /// What the last attempt met.
        #[source]
        cause: Box<TransferError>,
    },
    /// A file or a folder cannot be read or written.
    #[error("cannot {action} {path}")]
    Unusable {
        /// What was tried: `read`, `write`, `create` or the like.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Why one attempt to download a file failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server was not reached, or the connection broke.
    #[error("the connection failed")]
    Connection(#[source] reqwest::Error),
    /// The bytes stopped coming.
    #[error("the transfer broke off after {received} bytes")]
    BrokenOff {
        /// How much of the file has arrived, in all attempts together.
        received: u64,
        /// What the system said, if it said anything.
        #[source]
        cause: Option<io::Error>,
    },
    /// The server answered something other than the file.
    #[error("the server answered {0}")]
    Status(reqwest::StatusCode),
    /// The server would not continue where the last attempt stopped.
    #[error("the server cannot continue at byte {0}")]
    NotContinued(u64),
    /// All arrived, but it is another file.
    #[error("the file's SHA-256 is {found}, expected {expected}")]
    WrongSum {
        /// The sum of what arrived.
        found: String,
        /// The published sum.
        expected: String,
        /// Whether a part of it came from an earlier run, so that a fresh start may help.
        continued: bool,
    },
    /// The answer is no list of files.
    #[error("the answer is no list of files")]
    NoListing(#[source] reqwest::Error),
    /// The received bytes cannot be written.
    #[error("cannot write what arrived")]
    Disk(#[source] io::Error),
}

impl TransferError {
    /// Whether the server does not have the file.
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Status(status) if matches!(status.as_u16(), 401 | 403 | 404 | 410))
    }

    /// Whether another attempt may succeed where this one failed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Connection(cause) => !cause.is_builder() && !cause.is_redirect(),
            Self::BrokenOff { .. } | Self::NotContinued(_) => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::WrongSum { continued, .. } => *continued,
            Self::Disk(_) | Self::NoListing(_) => false,
        }
    }
}

impl StoreError {
    /// What to do about it, one step per line, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownName { nearest, .. } => {
                let meant = nearest.map(|name| format!("did you mean {name}?\n"));
                let known: Vec<_> = MODELS.iter().map(|model| model.name).collect();
                Some(format!(
                    "{}known weights: {}",
                    meant.unwrap_or_default(),
                    known.join(", ")
                ))
            }
            Self::NotFetched { name, .. } => {
                Some(format!("get them with: clipdraw weights fetch {name}"))
            }
            Self::WrongSize { name, path, .. } => Some(format!(
                "look at it with: clipdraw weights verify {}\nreplace it with: clipdraw weights fetch {name}",
                path.display()
            )),
            Self::NoFolder => Some("name one with --weights-dir".to_owned()),
            Self::LfsPointer { path } => Some(format!(
                "get the weights with: git lfs pull, in the folder of {}",
                path.display()
            )),
            Self::Unfinished { name, .. } => {
                Some(format!("finish it with: clipdraw weights fetch {name}"))
            }
            Self::HubUnfetchable { cause, .. } if cause.is_not_found() => Some(
                "look up the name on https://huggingface.co; models that need a licence to be accepted are downloaded there\n\
                 a folder that was downloaded is named with: --weights FOLDER"
                    .to_owned(),
            ),
            Self::HubUnfetchable { .. } => Some(
                "what has arrived is kept, and the next fetch continues there\n\
                 behind a proxy: set HTTPS_PROXY\n\
                 from a mirror of the hub: add --url https://host\n\
                 a folder that was downloaded elsewhere is named with: --weights FOLDER"
                    .to_owned(),
            ),
            Self::Unfetchable {
                name,
                path,
                sha256,
                cause,
                ..
            } if cause.is_not_found() => Some(not_found_hint(name, path, sha256)),
            Self::Unfetchable {
                url, path, sha256, ..
            } => Some(format!(
                "what has arrived is kept, and the next fetch continues there\n\
                 behind a proxy: set HTTPS_PROXY\n\
                 from a mirror: add --url https://host/folder\n\
                 by hand: get {url}\n\
                 and place it at {}, with the SHA-256 {sha256}",
                path.display()
            )),
            _ => None,
        }
    }

    /// Attaches what was tried with which path to a failure of the system.
    pub(super) fn unusable(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Unusable {
            action,
            path,
            cause,
        }
    }
}

/// What to do where the file of a published model is not where it was.
fn not_found_hint(name: &str, path: &Path, sha256: &str) -> String {
    let name = registry::find(name).and_then(open_clip_name);
    let elsewhere = name.and_then(|name| Some((HubModel::find(&name)?.repository, name)));
    let elsewhere = elsewhere.map(|(repository, name)| {
        format!(
            "the same model is published as https://huggingface.co/{repository}\n\
             get it from there with: clipdraw weights fetch {name}\n\
             draw with it with: --weights {name}, or --weights FOLDER where the folder was downloaded otherwise\n"
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

fn listed(folders: &[PathBuf]) -> String {
    let all: Vec<_> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    all.join(" and ")
}
