//! The lock of a store: two processes must not share a file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Holds the lock of a store until it is dropped or the process ends, however that happens.
#[derive(Debug)]
pub(super) struct StoreLock(
    #[expect(dead_code, reason = "the lock is released when the file is closed")] File,
);

/// Why a store cannot be locked.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has the lock.
    Taken,
    /// The lock file cannot be opened or locked.
    Io(io::Error),
}

impl StoreLock {
    /// Takes the lock of a store without waiting. The lock file lies beside it and stays there.
    pub(super) fn take(store: &Path) -> Result<Self, LockError> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(beside(store, "lock"))
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }
}

/// The path of a store without symbolic links, so that every name of a file leads to the same lock. Its folder exists.
pub(super) fn real_path(store: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = store
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            Ok(folder.join(store.file_name().ok_or(error)?))
        }
        found => found,
    }
}

/// The path of a file with an additional extension.
pub(super) fn beside(store: &Path, extension: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
