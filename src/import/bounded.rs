//! Limits that several kinds of files share, and decompression with a limit.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// The largest coordinate, in pixels. To paint much larger shapes takes minutes.
pub(super) const MAX_COORDINATE: f32 = 1.0e4;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The content of a file that may be compressed with gzip, as SVG files with the extension `svgz` are; `None` if it has more
/// than `limit` bytes.
pub(super) fn decompressed(bytes: &[u8], limit: usize) -> io::Result<Option<Cow<'_, [u8]>>> {
    if !bytes.starts_with(GZIP) {
        return Ok((bytes.len() <= limit).then_some(Cow::Borrowed(bytes)));
    }
    let mut content = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    reader.read_to_end(&mut content)?;
    Ok((content.len() <= limit).then_some(Cow::Owned(content)))
}
