//! What keeps a store from accepting predictions although it can write: little room on its disk, or a file that was removed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use rusqlite::{Error, ErrorCode, ffi};

/// With less room on the disk in bytes nothing is accepted, so that accepted predictions can still be finished.
const MIN_FREE_BYTES: u64 = 1 << 20;

/// The file of a store, as it was opened. If somebody removes or replaces it, SQLite goes on with a file that no later process
/// can find.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: PathBuf,
    /// Its device and its inode.
    identity: (u64, u64),
}

impl OpenedFile {
    /// The file at a path.
    ///
    /// # Errors
    /// If it cannot be found.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Why a prediction in it would not be found after a restart; `None` if it would.
    pub(super) fn missing(&self) -> Option<String> {
        match identity(&self.path) {
            Ok(found) if found == self.identity => None,
            Ok(_) => Some("somebody has replaced its file".to_owned()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Some("somebody has removed its file".to_owned())
            }
            // It may be there.
            Err(_) => None,
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Why nothing is accepted although the last write has succeeded; `None` if there is room.
pub(super) fn lack_of_room(path: &Path) -> Option<String> {
    let disk = statvfs(path).ok()?;
    let free = disk.blocks_available() as u64 * disk.fragment_size() as u64;
    (free < MIN_FREE_BYTES).then(|| format!("only {free} bytes are free on its disk"))
}

/// Whether an error means that the disk is full. SQLite reports that as an I/O error if it happens to a file beside the store.
pub(super) fn is_lack_of_room(cause: &Error, path: &Path) -> bool {
    let Some(error) = cause.sqlite_error() else {
        return false;
    };
    match error.code {
        ErrorCode::DiskFull => true,
        // The index of the write-ahead log could not grow, for example because of a quota.
        _ if error.extended_code == ffi::SQLITE_IOERR_SHMSIZE => true,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => lack_of_room(path).is_some(),
        _ => false,
    }
}
