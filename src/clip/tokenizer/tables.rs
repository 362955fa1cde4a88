//! Tables that the cleaning of text needs, taken from ftfy and from Python's list of HTML entities.
//!
//! ftfy is by Robyn Speer, Apache-2.0; `scripts/tables.py` writes the file.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

/// The contents of the file.
#[derive(Debug, Deserialize)]
struct Written {
    badness: String,
    utf8_detector: String,
    not_before_utf8: String,
    encodings: Vec<(String, String)>,
    replacements: HashMap<char, String>,
    entities: HashMap<String, String>,
    shouted_entities: HashMap<String, String>,
}

/// A single-byte encoding, both ways.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// Python's name for it, with ftfy's prefix `sloppy-` where unassigned bytes stand for themselves.
    pub(crate) name: String,
    bytes: HashMap<char, u8>,
    chars: Vec<char>,
}

impl Encoding {
    /// The bytes of a text, if each of its characters has one.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars()
            .map(|char| self.bytes.get(&char).copied())
            .collect()
    }

    /// The character that a byte stands for.
    pub(crate) fn decode(&self, byte: u8) -> char {
        self.chars[usize::from(byte)]
    }
}

/// The tables, ready for use.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Matches pairs of characters that are rarely adjacent in correct text.
    pub(crate) badness: Regex,
    /// Matches characters that look like the bytes of UTF-8 sequences.
    pub(crate) utf8_detector: Regex,
    /// Characters that must not precede such a sequence.
    pub(crate) not_before_utf8: Regex,
    /// Encodings with which text is often decoded by mistake, the most frequent first.
    pub(crate) encodings: Vec<Encoding>,
    /// Latin ligatures, and characters of unusual width, with what they are replaced by.
    pub(crate) replacements: HashMap<char, String>,
    /// HTML's named characters without `&`, with `;` where it is required.
    pub(crate) entities: HashMap<String, String>,
    /// Names in capitals that ftfy also reads.
    pub(crate) shouted_entities: HashMap<String, String>,
}

/// The tables, read once.
pub(crate) static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let text = include_str!("../../../vocabulary/text_tables.json");
    let written: Written =
        serde_json::from_str(text).expect("the table file is part of the program");
    let regex = |pattern: &str| Regex::new(pattern).expect("the patterns are part of the program");
    Tables {
        badness: regex(&written.badness),
        utf8_detector: regex(&written.utf8_detector),
        not_before_utf8: regex(&format!("{}$", written.not_before_utf8)),
        encodings: written.encodings.into_iter().map(encoding).collect(),
        replacements: written.replacements,
        entities: written.entities,
        shouted_entities: written.shouted_entities,
    }
});

fn encoding((name, chars): (String, String)) -> Encoding {
    let chars: Vec<char> = chars.chars().collect();
    let bytes = chars
        .iter()
        .zip(0..=u8::MAX)
        .map(|(&char, byte)| (char, byte))
        .collect();
    Encoding { name, bytes, chars }
}
