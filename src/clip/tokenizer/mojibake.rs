//! Repairs text that was written in UTF-8 and read in another encoding, as ftfy's `fix_encoding` does.
//!
//! ftfy is by Robyn Speer, Apache-2.0. Only what its default configuration does is here.

use std::sync::LazyLock;

use regex::bytes;

use super::tables::TABLES;

/// Sequences that would be UTF-8 if a space were the byte A0, which some programs treat as a space.
static ALTERED_UTF8: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_regex(
        r"[\xc2\xc3\xc5\xce\xd0\xd9][ ]|[\xe2\xe3][ ][\x80-\x84\x86-\x9f\xa1-\xbf]\
        |[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf][ ]|[\xf0][ ][\x80-\xbf][\x80-\xbf]\
        |[\xf0][\x80-\xbf][ ][\x80-\xbf]|[\xf0][\x80-\xbf][\x80-\xbf][ ]",
    )
});

/// Sequences of UTF-8 in which bytes were lost and became 1A or a question mark.
static LOSSY_UTF8: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_regex(
        r"[\xc2-\xdf][\x1a]|[\xc2-\xc3][?]|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]\
        |\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]\
        |[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]\
        |[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]|\x1a",
    )
});

/// What may not follow a lone `à` that lost its second byte: these are words of Portuguese.
const NOT_AFTER_GRAVE: [&[u8]; 5] = [b" ", b"quele", b"quela", b"quilo", b"s "];

/// Bytes that Windows-1252 leaves unassigned.
const UNASSIGNED_1252: [char; 5] = ['\u{81}', '\u{8d}', '\u{8f}', '\u{90}', '\u{9d}'];

fn byte_regex(pattern: &str) -> bytes::Regex {
    let pattern = pattern.replace("\\\n        ", "");
    bytes::Regex::new(&format!("(?-u){pattern}")).expect("the patterns are part of the program")
}

/// The text in which every wrong decoding that can be recognized is undone.
pub(crate) fn fix_encoding(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let fixed = fix_one_step(&text);
        if fixed == text {
            return text;
        }
        text = fixed;
    }
}

/// Control characters 80 to 9F as Windows-1252 reads them.
pub(crate) fn fix_controls(text: &str) -> String {
    let windows = TABLES
        .encodings
        .iter()
        .find(|encoding| encoding.name == "sloppy-windows-1252");
    let fix = |char: char| match (u8::try_from(char), windows) {
        (Ok(byte @ 0x80..=0x9f), Some(windows)) => windows.decode(byte),
        _ => char,
    };
    text.chars().map(fix).collect()
}

fn is_bad(text: &str) -> bool {
    TABLES.badness.is_match(text)
}

fn fix_one_step(text: &str) -> String {
    if text.is_ascii() || !is_bad(text) {
        return text.to_owned();
    }
    let encodable = |encoding: &super::tables::Encoding| {
        let bytes = encoding.encode(text)?;
        decode_nearly_utf8(bytes, &encoding.name)
    };
    if let Some(fixed) = TABLES.encodings.iter().find_map(encodable) {
        return fixed;
    }
    let fixed = fix_embedded(text);
    if fixed != text {
        return fixed;
    }
    let latin = text.chars().all(|char| u32::from(char) < 0x100);
    if latin && !text.contains(UNASSIGNED_1252) {
        let fixed = fix_controls(text);
        if fixed != text {
            return fixed;
        }
    }
    fix_controls(text)
}

/// Decodes bytes as UTF-8 after restoring what an encoding of this name is known to lose.
fn decode_nearly_utf8(mut bytes: Vec<u8>, encoding: &str) -> Option<String> {
    // In Mac Roman an ordinary en dash before a space would look like such a loss.
    if encoding != "macroman" && ALTERED_UTF8.is_match(&bytes) {
        bytes = restore_spaces(&bytes);
    }
    if encoding.starts_with("sloppy") {
        bytes = LOSSY_UTF8
            .replace_all(&bytes, "\u{fffd}".as_bytes())
            .into_owned();
    }
    if bytes.contains(&0xed) || bytes.contains(&0xc0) {
        bytes = standardise(&bytes);
    }
    String::from_utf8(bytes).ok()
}

fn restore_spaces(bytes: &[u8]) -> Vec<u8> {
    let mut restored = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        restored.push(first);
        if let Some(following) = after.strip_prefix(b" ")
            && first == 0xc3
            && !NOT_AFTER_GRAVE
                .iter()
                .any(|word| following.starts_with(word))
        {
            restored.extend(b"\xa0 ");
            rest = following;
        }
    }
    let with_a0 = |found: &bytes::Captures<'_>| {
        found[0]
            .iter()
            .map(|&byte| if byte == b' ' { 0xa0 } else { byte })
            .collect::<Vec<u8>>()
    };
    ALTERED_UTF8.replace_all(&restored, with_a0).into_owned()
}

/// Rewrites Java's nulls and surrogate pairs as the UTF-8 that they stand for.
fn standardise(bytes: &[u8]) -> Vec<u8> {
    let mut standard = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match *rest {
            [0xc0, 0x80, ref after @ ..] => {
                standard.push(0);
                after
            }
            [
                0xed,
                b @ 0xa0..=0xaf,
                c @ 0x80..=0xbf,
                0xed,
                e @ 0xb0..=0xbf,
                f @ 0x80..=0xbf,
                ref after @ ..,
            ] => {
                let bits = |byte: u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let code = bits(b, 0x0f, 16)
                    + bits(c, 0x3f, 10)
                    + bits(e, 0x0f, 6)
                    + bits(f, 0x3f, 0)
                    + 0x1_0000;
                let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                standard.extend(char.encode_utf8(&mut [0; 4]).bytes());
                after
            }
            [other, ref after @ ..] => {
                standard.push(other);
                after
            }
            [] => return standard,
        };
    }
}

/// Repairs parts of a text that is otherwise correct.
fn fix_embedded(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = TABLES.utf8_detector.find_at(text, from) {
        let before = text[..found.start()].chars().next_back();
        let forbidden = before.is_some_and(|char| {
            TABLES
                .not_before_utf8
                .is_match(char.encode_utf8(&mut [0; 4]))
        });
        if forbidden {
            from = found.start() + found.as_str().chars().next().map_or(1, char::len_utf8);
            continue;
        }
        fixed.push_str(&text[copied..found.start()]);
        let part = found.as_str();
        // If the part were the whole text, repairing it would never end.
        if part.len() < text.len() && is_bad(part) {
            fixed.push_str(&fix_encoding(part));
        } else {
            fixed.push_str(part);
        }
        (copied, from) = (found.end(), found.end());
    }
    fixed.push_str(&text[copied..]);
    fixed
}
