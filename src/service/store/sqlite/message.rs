//! What the thread that writes is sent, and what it says.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use secrecy::SecretSlice;
use tokio::sync::oneshot;

use super::operation::Operation;

/// Why an operation was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum WriteError {
    /// SQLite refuses it, or the disk does.
    #[error("{0}")]
    Failed(String),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

pub(super) type Answer = oneshot::Sender<Result<Option<String>, WriteError>>;

/// What the writer is sent.
#[derive(Debug)]
pub(super) enum Message {
    Write(Request),
    #[cfg(test)]
    LimitPages(i64, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// An operation, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) answer: Option<Answer>,
}

/// The file that the writer writes.
#[derive(Debug)]
pub(super) struct StoreFile {
    pub(super) path: PathBuf,
    /// The connection that writes, or why there is none yet: the disk has no room.
    pub(super) connection: Result<Connection, String>,
    /// The connection that reads. Without the one that writes, it has the file for itself.
    pub(super) reader: Arc<Mutex<Connection>>,
    /// The secret of the server, which the file is given once it can be written.
    pub(super) secret: SecretSlice<u8>,
}

/// Why nothing is accepted.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The last write has failed.
    CannotWrite(String),
    /// The last write has succeeded, but there is little room on the disk, or the file was removed.
    Unsafe(String),
}
