//! The names of emoji, their groups and the words that go with them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::error::{SourceError, read_json};
use super::names::{is_simple, noun, phrase, squashed};
use super::sets::folder;
use super::wordnet::WordNet;
use super::words::{FXEMOJI, INTERFACE, PLACES, SAME};

/// Keywords kept of an emoji.
const KEYWORDS: usize = 5;
/// Groups of emojibase: smileys, people, symbols.
const FACES_PEOPLE_SYMBOLS: [u32; 3] = [0, 1, 8];
/// Groups that hold things: animals, food, travel, activities, objects.
const THINGS: std::ops::RangeInclusive<u32> = 3..=7;
/// The subgroups of symbols that are more than signs: religion and plain colored shapes.
const SYMBOLS: [u32; 2] = [86, 96];
/// Subgroups of pictures that are a landscape, a sign or a text of their own.
const SCENERY: [u32; 11] = [49, 50, 52, 53, 57, 58, 59, 60, 73, 72, 76];
/// The subgroup of clocks that show a time.
const TIME: u32 = 58;
/// Subgroups of people in a role and of beings of fantasy.
const FIGURES: [u32; 2] = [25, 26];

/// An emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoji {
    /// Its name, lower case, with spaces.
    pub label: String,
    /// Words that go with it, the best first.
    pub keywords: Vec<String>,
    group: u32,
    subgroup: u32,
}

#[derive(Debug, Deserialize)]
struct EmojibaseLine {
    label: String,
    hexcode: String,
    emoji: String,
    #[serde(default)]
    tags: Vec<String>,
    group: Option<u32>,
    subgroup: Option<u32>,
}

/// Emoji by code points and by names.
#[derive(Debug, Default)]
pub struct EmojiNames {
    emoji: Vec<Emoji>,
    by_code: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
}

impl EmojiNames {
    /// Reads emojibase and emojilib below the folder of packages. Flags, skin tones and signs are left out.
    ///
    /// # Errors
    /// When a file is missing or malformed.
    pub fn read(packages: &Path, wordnet: &WordNet) -> Result<Self, SourceError> {
        let lines = read_json(&packages.join(folder::EMOJIBASE).join("en/data.json"))?;
        let words = read_json(
            &packages
                .join(folder::EMOJILIB)
                .join("dist/emoji-en-US.json"),
        )?;
        Ok(Self::new(lines, &words, wordnet))
    }

    fn new(
        lines: Vec<EmojibaseLine>,
        words: &BTreeMap<String, Vec<String>>,
        wordnet: &WordNet,
    ) -> Self {
        let mut names = Self::default();
        for line in lines {
            let (Some(group), Some(subgroup)) = (line.group, line.subgroup) else {
                continue;
            };
            let signs = group == 8 && !SYMBOLS.contains(&subgroup);
            if signs || group > 8 || group == 2 {
                continue;
            }
            let label = plain_label(&line.label);
            let listed = words.get(&line.emoji).into_iter().flatten();
            let keywords = keywords(&label, listed.chain(&line.tags), wordnet);
            let index = names.emoji.len();
            names.by_code.insert(plain_code(&line.hexcode), index);
            names.by_name.insert(squashed(&label), index);
            let shows_a_time = label.ends_with("o'clock") || label.ends_with("-thirty");
            names.emoji.push(Emoji {
                label: if shows_a_time {
                    "clock".to_owned()
                } else {
                    label
                },
                keywords,
                group,
                subgroup,
            });
        }
        names
    }

    /// Learns the names that a set has for code points.
    pub fn learn(&mut self, characters: &BTreeMap<String, String>) {
        for (code, name) in characters {
            if let Some(&index) = self.by_code.get(&plain_code(code)) {
                self.by_name.entry(squashed(name)).or_insert(index);
            }
        }
    }

    /// The emoji with these code points, in hexadecimal with hyphens between them.
    pub fn with_code(&self, code: &str) -> Option<&Emoji> {
        Some(&self.emoji[*self.by_code.get(&plain_code(code))?])
    }

    /// The emoji with this name, whatever lies between its words.
    pub fn named(&self, name: &str) -> Option<&Emoji> {
        Some(&self.emoji[*self.by_name.get(&squashed(name))?])
    }

    /// The emoji that a set calls by this name: fxemoji has names of its own.
    pub fn named_in(&self, set: &str, name: &str) -> Option<&Emoji> {
        let own = FXEMOJI.get(name).and_then(|labels| labels.first());
        match own {
            Some(label) if set == "fxemoji" => self.named(label),
            _ => {
                let phrase = phrase(name);
                let faceless = || self.named(&phrase.replace("face", ""));
                self.named(name)
                    .or_else(|| self.named(&phrase))
                    .or_else(faceless)
            }
        }
    }

    /// The name under which all pictures of the same thing are known: that of the emoji, if there is one.
    pub fn same_as<'a>(&'a self, phrase: &'a str) -> &'a str {
        let same = SAME.get(phrase).copied().unwrap_or(phrase);
        self.named(same).map_or(same, |emoji| emoji.label.as_str())
    }
}

impl Emoji {
    /// Whether it is a thing rather than a face, a person or a symbol.
    pub fn is_thing(&self) -> bool {
        THINGS.contains(&self.group)
    }

    /// How often it is shown beside others.
    pub fn weight(&self) -> f32 {
        if FACES_PEOPLE_SYMBOLS.contains(&self.group) {
            0.2
        } else {
            1.0
        }
    }

    /// Whether it is a thing in one or two plain words that is neither a text nor a clock.
    pub fn is_simple(&self) -> bool {
        self.is_thing() && self.subgroup != TIME && is_simple(&self.label)
    }

    /// Whether it may stand in front of any backdrop.
    pub fn is_movable(&self) -> bool {
        let stands_alone = self.is_thing() && !SCENERY.contains(&self.subgroup);
        let figure = FIGURES.contains(&self.subgroup);
        is_simple(&self.label) && !PLACES.contains(noun(&self.label)) && (stands_alone || figure)
    }
}

fn plain_label(label: &str) -> String {
    label
        .to_lowercase()
        .replace('\u{2019}', "'")
        .replace(['\u{201c}', '\u{201d}', ','], "")
        .replace(": ", " with ")
}

/// Code points without the mark that asks for colors.
fn plain_code(code: &str) -> String {
    let code = code.to_lowercase().replace("-fe0f", "");
    code.trim_start_matches('0').to_owned()
}

fn keywords<'a>(
    label: &str,
    words: impl Iterator<Item = &'a String>,
    wordnet: &WordNet,
) -> Vec<String> {
    let mut keywords = Vec::new();
    for word in words {
        let word = word.to_lowercase().replace('_', " ");
        let good = word.len() > 2
            && word != label
            && wordnet.is_concrete(&word)
            && !INTERFACE.contains(word.as_str());
        if good && !keywords.contains(&word) && keywords.len() < KEYWORDS {
            keywords.push(word);
        }
    }
    keywords
}

#[cfg(test)]
mod tests {
    use super::super::wordnet::tests::small;
    use super::*;

    fn names() -> EmojiNames {
        let line = |label: &str, code: &str, group, subgroup| EmojibaseLine {
            label: label.to_owned(),
            hexcode: code.to_owned(),
            emoji: code.to_owned(),
            tags: ["idea", "house", "cat", "cats"].map(str::to_owned).to_vec(),
            group: Some(group),
            subgroup: Some(subgroup),
        };
        let lines = vec![
            line("cat", "1F408", 3, 34),
            line("woman\u{2019}s hat", "1F452", 7, 65),
            line("flag: Peru", "1F1F5", 9, 98),
            line("keycap: 1", "0031-FE0F", 8, 94),
            line("one o\u{2019}clock", "1F550", 5, 58),
        ];
        EmojiNames::new(lines, &BTreeMap::new(), &small())
    }

    #[test]
    fn emoji_are_found_by_code_and_by_any_spelling_of_their_name() {
        let mut names = names();
        assert_eq!(names.with_code("1f408-fe0f").unwrap().label, "cat");
        assert_eq!(names.named("womans-hat").unwrap().label, "woman's hat");
        assert_eq!(names.named_in("fxemoji", "catside").unwrap().label, "cat");
        assert_eq!(names.named_in("noto", "catside"), None);
        assert_eq!(names.named_in("noto", "cat-2").unwrap().label, "cat");
        assert_eq!(names.named_in("noto", "cat-face-1").unwrap().label, "cat");
        assert_eq!(names.named("feline"), None);
        names.learn(&BTreeMap::from([("1f408".to_owned(), "feline".to_owned())]));
        assert_eq!(names.named("feline").unwrap().label, "cat");
    }

    #[test]
    fn a_clock_is_a_clock_whatever_time_it_shows() {
        assert_eq!(names().named("one-oclock").unwrap().label, "clock");
    }

    #[test]
    fn flags_and_signs_are_left_out() {
        assert!(names().with_code("1f1f5").is_none() && names().with_code("31").is_none());
    }

    #[test]
    fn keywords_are_things_other_than_the_name() {
        assert_eq!(names().named("cat").unwrap().keywords, ["house", "cats"]);
    }

    #[test]
    fn a_cat_may_stand_anywhere_and_a_beach_may_not() {
        assert!(names().named("cat").unwrap().is_movable());
        let beach = Emoji {
            label: "beach".to_owned(),
            keywords: Vec::new(),
            group: 5,
            subgroup: 50,
        };
        assert!(!beach.is_movable() && beach.is_thing());
    }
}
