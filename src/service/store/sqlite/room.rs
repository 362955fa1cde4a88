//! The room on the disk of a store.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use rusqlite::{Error, ErrorCode, ffi};

/// With less room on the disk in bytes nothing is accepted, so that accepted predictions can still be finished.
const MIN_FREE_BYTES: u64 = 1 << 20;

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
