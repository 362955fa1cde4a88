//! The text of an XML document in the encodings that drawing programs write.

/// How far from its start a document declares its encoding, in bytes.
const DECLARATION: usize = 200;

/// Encodings with one byte for each character, in lower case. What sets them apart is in texts only, which are not drawn.
const OF_ONE_BYTE: [&str; 4] = ["iso-8859-1", "iso-8859-15", "latin1", "windows-1252"];

/// Decodes UTF-8, UTF-16 with a byte order mark, and encodings of one byte that the document declares; `None` for anything
/// else.
pub(super) fn decoded(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => return Some(of_utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Some(of_utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.trim_start_matches('\u{feff}').to_owned());
    }
    let declaration = &bytes[..bytes.len().min(DECLARATION)];
    let declaration = String::from_utf8_lossy(declaration).to_ascii_lowercase();
    let (_, encoding) = declaration.split_once("encoding=")?;
    let encoding = encoding.trim_start_matches(['"', '\'']);
    OF_ONE_BYTE
        .iter()
        .any(|name| encoding.starts_with(name))
        .then(|| bytes.iter().copied().map(char::from).collect())
}

fn of_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (units, _) = bytes.as_chunks();
    char::decode_utf16(units.iter().copied().map(unit))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_in_each_encoding() {
        const TEXT: &str = r#"<?xml version="1.0" encoding='ISO-8859-1'?><svg>ü</svg>"#;
        let units: Vec<u16> = std::iter::once(0xfeff).chain(TEXT.encode_utf16()).collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let one_byte: Vec<u8> = TEXT.chars().map(|character| character as u8).collect();
        let with_mark = format!("\u{feff}{TEXT}");
        for bytes in [
            TEXT.as_bytes(),
            with_mark.as_bytes(),
            &little,
            &big,
            &one_byte,
        ] {
            assert_eq!(decoded(bytes).as_deref(), Some(TEXT));
        }
        assert_eq!(decoded(b"<svg>\xfc</svg>"), None);
        assert_eq!(decoded(&[0xfe, 0xff]).as_deref(), Some(""));
    }
}
