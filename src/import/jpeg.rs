//! Whether a JPEG is complete.

/// The code of the marker at the end (EOI).
const END: u8 = 0xd9;
/// The codes of markers without a segment: TEM, RST0 to RST7 and SOI.
const WITHOUT_SEGMENT: [std::ops::RangeInclusive<u8>; 2] = [0x01..=0x01, 0xd0..=0xd8];

/// Whether the marker at the end of a JPEG is there (ITU-T T.81, B.1.1 and B.2.1). A picture in its metadata has one of its
/// own, which does not count.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // Compressed data have a zero after each byte 0xff, so the next marker is the next one with another code.
    while let Some(place) = rest.iter().position(|byte| *byte == 0xff) {
        let Some((&code, after)) = rest[place + 1..].split_first() else {
            return false;
        };
        rest = match code {
            END => return true,
            // Bytes 0xff may come before a marker.
            0xff => &rest[place + 1..],
            0 => after,
            code if WITHOUT_SEGMENT.iter().any(|codes| codes.contains(&code)) => after,
            _ => {
                let length = after
                    .first_chunk()
                    .map(|length| u16::from_be_bytes(*length));
                match length.and_then(|length| after.get(usize::from(length)..)) {
                    Some(after) => after,
                    None => return false,
                }
            }
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_picture_itself_counts() {
        let start = [0xff, 0xd8];
        // A segment with a marker of an end in it, as a thumbnail in Exif has.
        let thumbnail = [0xff, 0xe1, 0, 6, 1, 0xff, 0xd9, 2];
        let scan = [0xff, 0xda, 0, 3, 9, 7, 0xff, 0, 8, 0xff, 0xd0, 6];
        let all = [&start[..], &thumbnail, &scan, &[0xff, 0xff, 0xd9]].concat();
        assert!(is_complete(&all));
        assert!(is_complete(&[&all[..], b"and more"].concat()));
        for length in 0..all.len() {
            assert!(!is_complete(&all[..length]), "{length}");
        }
    }
}
