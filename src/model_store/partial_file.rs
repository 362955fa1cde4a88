//! The partial file of a download. It stays when the program ends, so that the next run can
//! continue.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checksum;
use super::error::StoreError;

/// The bytes received so far, with their running SHA-256.
#[derive(Debug)]
pub(super) struct PartialFile {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
    resumed: bool,
}

impl PartialFile {
    /// Opens or creates the partial file next to `target`, and locks it against other processes.
    pub(super) fn open_beside(target: &Path) -> Result<Self, StoreError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let io_error = || StoreError::io("write", &path);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error())?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { path }),
            // Some network file systems have no locks; a single fetch is safe without one.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut hasher = Sha256::new();
        let length = checksum::hash_rest(&mut file, &mut hasher).map_err(io_error())?;
        Ok(Self {
            path,
            file,
            hasher,
            length,
            resumed: length > 0,
        })
    }

    /// The number of bytes received.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether some of them are from an earlier run.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Discards all received bytes.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Sha256::new();
        self.length = 0;
        self.resumed = false;
        Ok(())
    }

    /// Appends received bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 of the received bytes.
    pub(super) fn sha256(&self) -> String {
        checksum::to_hex(self.hasher.clone())
    }

    /// Keeps the file for the next run, unless it is empty.
    pub(super) fn keep(self) {
        if self.length == 0 {
            // If it cannot be removed, an empty file does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Renames the finished file to `target`, atomically.
    pub(super) fn finish(self, target: &Path) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, target))
            .map_err(StoreError::io("write", target))
    }
}
