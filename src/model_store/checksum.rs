//! SHA-256 sums of files of any size.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A sum as 64 lower-case hexadecimal digits.
pub(super) fn digits(sum: Sha256) -> String {
    sum.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every byte");
        text
    })
}

/// Feeds everything that a reader still holds to a sum and returns how many bytes that was.
pub(super) fn feed(reader: &mut impl Read, sum: &mut Sha256) -> io::Result<u64> {
    /// Large enough that reading from a disk costs few calls.
    const CHUNK: usize = 1 << 16;
    let mut chunk = vec![0; CHUNK];
    let mut length = 0;
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(length),
            count => {
                sum.update(&chunk[..count]);
                length += count as u64;
            }
        }
    }
}

/// The SHA-256 of several files one after the other, 64 lower-case hexadecimal digits.
///
/// # Errors
/// When a file cannot be read.
pub fn of_files(paths: &[PathBuf]) -> io::Result<String> {
    let mut sum = Sha256::new();
    for path in paths {
        feed(&mut File::open(path)?, &mut sum)?;
    }
    Ok(digits(sum))
}

/// The SHA-256 of a file, 64 lower-case hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut sum = Sha256::new();
    feed(&mut File::open(path)?, &mut sum)?;
    Ok(digits(sum))
}
