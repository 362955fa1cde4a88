//! Compiled kernels, kept in the user's cache folder from run to run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use sha2::{Digest, Sha256};

use super::compiler::{Architecture, OPTIONS};
use super::error::CudaError;
use crate::environment;
use crate::hex::lower_hex;

/// The number of bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;

/// A folder of compiled kernels. A file is named after what it was compiled from, and starts with the digest of the
/// code, so that a damaged file is noticed.
#[derive(Debug, Clone)]
pub struct KernelCache {
    folder: Option<PathBuf>,
}

impl KernelCache {
    /// The cache of this user; without a home folder, one that keeps nothing.
    pub fn of_user() -> Self {
        Self {
            folder: environment::user_cache_folder().map(|folder| folder.join("clipdraw/kernels")),
        }
    }

    /// The cache in a folder, which is made when it is needed.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
        }
    }

    /// The code of some kernels, from the cache or else from `compile`. A cache that cannot be written is only
    /// a warning in the log.
    ///
    /// # Errors
    /// Those of `compile`.
    pub fn get(
        &self,
        source: &str,
        architecture: Architecture,
        compile: impl FnOnce() -> Result<Vec<u8>, CudaError>,
    ) -> Result<Vec<u8>, CudaError> {
        let Some(folder) = &self.folder else {
            return compile();
        };
        let path = folder.join(file_name(source, architecture));
        if let Some(code) = read(&path) {
            return Ok(code);
        }
        let code = compile()?;
        if let Err(error) = write(folder, &path, &code) {
            tracing::warn!(path = %path.display(), %error, "compiled kernels could not be kept");
        }
        Ok(code)
    }
}

/// Changes with everything that the code depends on.
fn file_name(source: &str, architecture: Architecture) -> String {
    let mut digest = Sha256::new();
    for part in [env!("CARGO_PKG_VERSION"), &OPTIONS.join(" "), source] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let name = lower_hex(&digest.finalize()[..16]);
    format!("{name}-{architecture}.cubin")
}

/// The code in a file; `None` if there is no such file or it is damaged.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let (digest, code) = bytes.split_at_checked(DIGEST_BYTES)?;
    (Sha256::digest(code)[..] == *digest).then(|| code.to_vec())
}

/// Writes another file and renames it, so that no program ever reads half a file.
fn write(folder: &Path, path: &Path, code: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = path.with_extension(format!("{}.partial", process::id()));
    let digest = Sha256::digest(code);
    fs::write(&partial, [&digest[..], code].concat())
        .and_then(|()| fs::rename(&partial, path))
        .inspect_err(|_| {
            // What is left of a failed attempt is of no use; if it cannot be removed either, nothing is lost.
            let _ = fs::remove_file(&partial);
        })
}
