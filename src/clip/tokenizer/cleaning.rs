//! Cleans a prompt as `open_clip`'s tokenizer does: ftfy's repairs, HTML's entities, spaces, lower case.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use super::mojibake::{fix_controls, fix_encoding};
use super::tables::TABLES;

static CLOSED_ENTITY: LazyLock<Regex> = LazyLock::new(|| regex("&#?[0-9A-Za-z]{1,24};"));
static ANY_ENTITY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\x0c <&#;]{1,32};?)"));
static TERMINAL_ESCAPE: LazyLock<Regex> = LazyLock::new(|| regex(r"\x1b\[(?:\d|;)*[a-zA-Z]"));

/// The characters that browsers use for the code points 80 to 9F (HTML standard, numeric character
/// references).
const NUMBERED_CONTROLS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are part of the program")
}

/// The cleaned text, which the tokenizer splits into tokens.
pub(crate) fn clean(text: &str) -> String {
    let fixed = fix_text(text);
    let unescaped = unescape(&unescape(&fixed));
    let words: Vec<&str> = unescaped
        .split(is_python_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").to_lowercase()
}

/// Python's `str.isspace`, which, unlike the Unicode property, includes the four separators of
/// ASCII.
fn is_python_space(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{1c}'..='\u{1f}')
}

/// ftfy's `fix_text` in its default configuration, line by line.
fn fix_text(text: &str) -> String {
    let mut with_entities = true;
    let mut fixed = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        // A text with tags is treated as HTML: from here on its entities are kept.
        with_entities &= !line.contains('<');
        fixed.push_str(&fix_line(line, with_entities));
    }
    fixed
}

fn fix_line(line: &str, with_entities: bool) -> String {
    let mut line = line.to_owned();
    loop {
        let unescaped = if with_entities {
            unescape_closed(&line)
        } else {
            Cow::Borrowed(line.as_str())
        };
        let fixed = fix_controls(&fix_encoding(&unescaped));
        let fixed = replace_characters(&fixed);
        let fixed = TERMINAL_ESCAPE.replace_all(&fixed, "");
        let fixed: String = fixed
            .chars()
            .filter(|char| !is_control(*char))
            .nfc()
            .collect();
        if fixed == line {
            return line;
        }
        line = fixed;
    }
}

/// Replaces Latin ligatures, characters of unusual width, curly quotes and line breaks by plain
/// characters.
fn replace_characters(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    for char in text.chars() {
        match TABLES.replacements.get(&char) {
            Some(plain) => replaced.extend(plain.chars().map(straight)),
            None => replaced.push(straight(char)),
        }
    }
    replaced
        .replace("\r\n", "\n")
        .replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n")
}

fn straight(char: char) -> char {
    match char {
        '\u{201c}'..='\u{201f}' => '"',
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        other => other,
    }
}

/// Characters unsuitable for text that ftfy removes.
fn is_control(char: char) -> bool {
    matches!(
        char,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}

/// Decodes entities as ftfy does: only those that end in a semicolon, and some in capitals.
fn unescape_closed(text: &str) -> Cow<'_, str> {
    CLOSED_ENTITY.replace_all(text, |found: &Captures<'_>| {
        let whole = &found[0];
        let name = &whole[1..];
        if let Some(known) = TABLES
            .entities
            .get(name)
            .or_else(|| TABLES.shouted_entities.get(name))
        {
            return known.clone();
        }
        let unescaped = if name.starts_with('#') {
            unescape(whole)
        } else {
            whole.to_owned()
        };
        // If a semicolon is left over, only a part was decoded.
        if unescaped.contains(';') {
            whole.to_owned()
        } else {
            unescaped
        }
    })
}

/// Python's `html.unescape`: HTML5's rules, which accept some entities without a semicolon.
fn unescape(text: &str) -> String {
    ANY_ENTITY
        .replace_all(text, |found: &Captures<'_>| entity(&found[1]))
        .into_owned()
}

fn entity(name: &str) -> String {
    if let Some(number) = name.strip_prefix('#') {
        return numbered(number.trim_end_matches(';'));
    }
    if let Some(known) = TABLES.entities.get(name) {
        return known.clone();
    }
    let ends = name.char_indices().map(|(end, _)| end).skip(2);
    for end in ends.collect::<Vec<_>>().into_iter().rev() {
        if let Some(known) = TABLES.entities.get(&name[..end]) {
            return format!("{known}{}", &name[end..]);
        }
    }
    format!("&{name}")
}

fn numbered(number: &str) -> String {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    match code {
        // Only digits get here, so a number that cannot be parsed is too large.
        Ok(0) | Err(_) => char::REPLACEMENT_CHARACTER.to_string(),
        Ok(0x0d) => "\r".to_owned(),
        Ok(code @ 0x80..=0x9f) => NUMBERED_CONTROLS[code as usize - 0x80].to_string(),
        Ok(code) if is_no_character(code) => String::new(),
        Ok(code) => char::from_u32(code)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .to_string(),
    }
}

/// Code points that Python removes: controls and Unicode's noncharacters.
fn is_no_character(code: u32) -> bool {
    matches!(code, 0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f..=0x9f | 0xfdd0..=0xfdef)
        || (code <= 0x10_ffff && code & 0xfffe == 0xfffe)
}
