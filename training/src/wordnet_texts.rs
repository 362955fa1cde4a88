//! Reads WordNet 3.0 as the Debian package wordnet-base lays it out (format: wndb(5WN)).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

use super::teacher::read_lines;

/// Files that hold meanings, one for each part of speech.
const FILES: [&str; 4] = ["data.noun", "data.verb", "data.adj", "data.adv"];
/// Lexicographer files of nouns that can be seen: acts, animals, artefacts, bodies, events, food, groups,
/// objects, people, phenomena, plants, possessions, shapes, substances (lexnames(5WN)).
const VISIBLE: [&str; 14] = [
    "04", "05", "06", "08", "11", "13", "14", "15", "17", "18", "19", "20", "25", "27",
];
/// Longest gloss that is kept, in bytes; longer ones say more than a small tower can hold.
const LONGEST_GLOSS: usize = 80;
/// Words of a noun that is made a thing.
const MOST_WORDS: usize = 2;

/// The words of WordNet and what they mean, in lower case, each once and sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WordNetTexts {
    /// Words and phrases of every part of speech.
    pub lemmas: BTreeSet<String>,
    /// Common nouns of one or two words for what can be seen, without an article.
    pub things: BTreeSet<String>,
    /// The first statement of each meaning.
    pub glosses: BTreeSet<String>,
}

impl WordNetTexts {
    /// Reads the four `data` files in this folder.
    ///
    /// # Errors
    /// When one is missing or is not WordNet's.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut words = Self::default();
        for name in FILES {
            let file = folder.join(name);
            for (index, line) in read_lines(&file)?.iter().enumerate() {
                // The licence stands in front, on lines that begin with two spaces.
                if line.starts_with("  ") {
                    continue;
                }
                words.add(line).with_context(|| {
                    format!("{} line {}: no entry of WordNet", file.display(), index + 1)
                })?;
            }
        }
        Ok(words)
    }

    /// Takes in one meaning: `offset lexfile kind count (word id)... | gloss`.
    fn add(&mut self, line: &str) -> Option<()> {
        let (entry, gloss) = line.split_once(" | ")?;
        let mut fields = entry.split(' ').skip(1);
        let (lexicographer, kind) = (fields.next()?, fields.next()?);
        let count = usize::from_str_radix(fields.next()?, 16).ok()?;
        let visible = kind == "n" && VISIBLE.contains(&lexicographer);
        for _ in 0..count {
            // An adjective may end with a mark of where it stands, such as `(a)`.
            let word = fields.next()?.split('(').next()?.replace('_', " ");
            fields.next()?;
            if visible && is_thing(&word) {
                self.things.insert(word.clone());
            }
            self.lemmas.insert(word.to_lowercase());
        }
        let gloss = first_statement(gloss);
        if !gloss.is_empty() && gloss.len() <= LONGEST_GLOSS {
            self.glosses.insert(gloss);
        }
        Some(())
    }
}

fn is_thing(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-' || byte == b' ';
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(plain)
        && word.split(' ').count() <= MOST_WORDS
}

/// What a gloss says before its first semicolon, without what stands in parentheses.
fn first_statement(gloss: &str) -> String {
    let statement = gloss.split(';').next().unwrap_or_default();
    let mut depth = 0;
    let mut outside = String::new();
    for letter in statement.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = (depth - 1).max(0),
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    let words: Vec<&str> = outside.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NOUNS: &str = "  1 This software and database is being provided to you\n\
        02121620 05 n 02 cat 0 true_cat 0 001 @ 02121234 n 0000 | feline mammal usually having thick soft fur \
        (and no roar); \"cats are carnivorous\"  \n\
        07410021 11 n 02 bonfire 0 balefire 0 001 @ 07300960 n 0000 | a large outdoor fire  \n\
        05809192 09 n 01 idea 0 001 @ 05770664 n 0000 | the content of cognition  \n\
        08965598 15 n 01 Paris 0 001 @ 08524735 n 0000 | the capital of France  \n";
    const ADJECTIVES: &str = "00001740 00 a 01 able(p) 0 001 = 05200169 n 0000 | (usually followed by `to') having power  \n";

    fn words() -> WordNetTexts {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in FILES.iter().zip([NOUNS, "", ADJECTIVES, ""]) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        WordNetTexts::open(folder.path()).unwrap()
    }

    fn sorted(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn words_lose_their_underscores_capitals_and_marks() {
        assert_eq!(
            sorted(&words().lemmas),
            [
                "able", "balefire", "bonfire", "cat", "idea", "paris", "true cat"
            ]
        );
    }

    #[test]
    fn things_are_common_nouns_that_can_be_seen() {
        assert_eq!(
            sorted(&words().things),
            ["balefire", "bonfire", "cat", "true cat"]
        );
    }

    #[test]
    fn glosses_keep_their_first_statement() {
        assert_eq!(
            sorted(&words().glosses),
            [
                "a large outdoor fire",
                "feline mammal usually having thick soft fur",
                "having power",
                "the capital of france",
                "the content of cognition",
            ]
        );
    }

    #[test]
    fn a_line_of_another_format_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("data.noun"), "  1 Licence\n<html>\n").unwrap();
        let error = WordNetTexts::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("data.noun line 2: no entry of WordNet"),
            "{error}"
        );
    }
}
