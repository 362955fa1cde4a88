//! Whether there is room for another file.

use super::interface::{InputFileError, InputFileLimits, MAX_INPUT_FILES};

/// Checks that a file of `length` bytes may be added to `count` files with `bytes` bytes.
///
/// # Errors
/// If there would be too many, or too much.
pub(super) fn check_room(
    limits: InputFileLimits,
    count: usize,
    bytes: u64,
    length: u64,
) -> Result<(), InputFileError> {
    if bytes.saturating_add(length) > limits.total_bytes {
        return Err(InputFileError::NoRoom {
            limit: limits.total_bytes,
        });
    }
    if count >= MAX_INPUT_FILES {
        return Err(InputFileError::TooMany);
    }
    Ok(())
}
