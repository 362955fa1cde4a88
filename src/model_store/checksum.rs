//! SHA-256 sums of files of any size.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::lower_hex;

/// A finished hash as 64 lower-case hexadecimal digits.
pub(super) fn to_hex(hasher: Sha256) -> String {
    lower_hex(&hasher.finalize())
}

/// Hashes the rest of a reader and returns its number of bytes.
pub(super) fn hash_rest(reader: &mut impl Read, hasher: &mut Sha256) -> io::Result<u64> {
    /// Large enough that reading from a disk costs few calls.
    const CHUNK: usize = 1 << 16;
    let mut chunk = vec![0; CHUNK];
    let mut length = 0;
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(length),
            count => {
                hasher.update(&chunk[..count]);
                length += count as u64;
            }
        }
    }
}

/// The SHA-256 of the concatenation of several files, 64 lower-case hexadecimal digits.
///
/// # Errors
/// If a file cannot be read.
pub fn sha256_of_files(paths: &[PathBuf]) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for path in paths {
        hash_rest(&mut File::open(path)?, &mut hasher)?;
    }
    Ok(to_hex(hasher))
}

/// The SHA-256 of a file, 64 lower-case hexadecimal digits.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_rest(&mut File::open(path)?, &mut hasher)?;
    Ok(to_hex(hasher))
}
