//! Any bytes as a whole PyTorch file, a zip archive or the older form without one: they are refused with a
//! reason, or read. Checksums in an archive are corrected first, because no change would get past them.

use flate2::Crc;

use super::weights;

/// The start of an entry in the directory of a zip archive, its length without the names, and the positions of
/// what is read or corrected (APPNOTE.TXT, section 4.3.12).
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LENGTH: usize = 46;
const ENTRY_CHECKSUM: usize = 16;
const ENTRY_SIZE: usize = 20;
const ENTRY_HEADER: usize = 42;

/// The length of the header before a file, without the names, and the positions of the lengths of the names
/// (section 4.3.7).
const HEADER_LENGTH: usize = 30;
const HEADER_NAME: usize = 26;
const HEADER_EXTRA: usize = 28;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    weights::read(&with_right_checksums(bytes));
}

/// The same archive, with the checksums of its files in the directory.
pub(crate) fn with_right_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut corrected = bytes.to_vec();
    let entries = bytes.windows(ENTRY_LENGTH).enumerate();
    for (start, entry) in entries.filter(|(_, entry)| entry.starts_with(ENTRY)) {
        if let Some(checksum) = checksum(bytes, entry) {
            let place = start + ENTRY_CHECKSUM;
            corrected[place..place + 4].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    corrected
}

/// The checksum of the file that an entry of the directory is about, unless it reaches beyond the archive.
fn checksum(bytes: &[u8], entry: &[u8]) -> Option<u32> {
    let header = number(entry, ENTRY_HEADER, 4)?;
    let names = number(bytes, header + HEADER_NAME, 2)? + number(bytes, header + HEADER_EXTRA, 2)?;
    let start = header + HEADER_LENGTH + names;
    let mut checksum = Crc::new();
    checksum.update(bytes.get(start..start + number(entry, ENTRY_SIZE, 4)?)?);
    Some(checksum.sum())
}

/// The little-endian number of `size` bytes at a position.
fn number(bytes: &[u8], start: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(start..start + size)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | usize::from(byte)),
    )
}
