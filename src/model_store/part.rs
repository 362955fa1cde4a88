//! The unfinished file of a download, which outlives the program so that the next run continues.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checksum;
use super::error::StoreError;

/// The bytes of a file that have arrived so far, with their running SHA-256.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    sum: Sha256,
    length: u64,
    continued: bool,
}

impl Part {
    /// Opens the unfinished file beside `target`, or begins one, and keeps other processes out.
    pub(super) fn beside(target: &Path) -> Result<Self, StoreError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let unusable = || StoreError::unusable("write", &path);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable())?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { path }),
            // Some network file systems know no locks; a lone fetch is safe without.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut sum = Sha256::new();
        let length = checksum::feed(&mut file, &mut sum).map_err(unusable())?;
        Ok(Self {
            path,
            file,
            sum,
            length,
            continued: length > 0,
        })
    }

    /// How many bytes have arrived.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether bytes of an earlier run are among them.
    pub(super) fn continued(&self) -> bool {
        self.continued
    }

    /// Forgets all that has arrived.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.sum = Sha256::new();
        self.length = 0;
        self.continued = false;
        Ok(())
    }

    /// Adds bytes that have arrived.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 of what has arrived.
    pub(super) fn sum(&self) -> String {
        checksum::digits(self.sum.clone())
    }

    /// Leaves the file for the next run, unless it is empty.
    pub(super) fn leave(self) {
        if self.length == 0 {
            // An empty file that stays does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives the finished file its name, in one step.
    pub(super) fn finish(self, target: &Path) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, target))
            .map_err(StoreError::unusable("write", target))
    }
}
