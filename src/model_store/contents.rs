//! Detects files that cannot be weights, by their first bytes and their size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::error::StoreError;

/// The first bytes of a Git LFS pointer (git-lfs, docs/spec.md).
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The size in bytes of the number at the start of a safetensors file, which is the length of its header.
const LENGTH_BYTES: usize = 8;
/// The maximum length of a header in bytes, which is that of the format.
const MAX_HEADER: u64 = 100_000_000;

/// Rejects a Git LFS pointer, and a safetensors file that is incomplete.
///
/// # Errors
/// If it is such a file, or cannot be read.
pub(super) fn check_contents(path: &Path) -> Result<(), StoreError> {
    let unreadable = || StoreError::io("read", path);
    let mut file = File::open(path).map_err(unreadable())?;
    let found = file.metadata().map_err(unreadable())?.len();
    let mut start = Vec::new();
    let mut beginning = (&mut file).take(POINTER.len() as u64);
    beginning.read_to_end(&mut start).map_err(unreadable())?;
    if start == POINTER {
        return Err(StoreError::LfsPointer {
            path: path.to_owned(),
        });
    }
    if path
        .extension()
        .is_none_or(|extension| extension != "safetensors")
    {
        return Ok(());
    }
    match expected_size(path).map_err(unreadable())? {
        Some(expected) if found < expected => Err(StoreError::Incomplete {
            path: path.to_owned(),
            found,
            expected,
        }),
        _ => Ok(()),
    }
}

/// The size of a safetensors file according to its header; `None` if the header cannot be read.
fn expected_size(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let mut length = [0; LENGTH_BYTES];
    if file.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Ok(None);
    }
    let start = LENGTH_BYTES as u64 + length;
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header)?;
    if (header.len() as u64) < length {
        return Ok(Some(start));
    }
    let header: Map<String, Value> = match serde_json::from_slice(&header) {
        Ok(header) => header,
        Err(_) => return Ok(None),
    };
    let ends = header
        .values()
        .filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    Ok(ends.max().map(|end| start.saturating_add(end)))
}
