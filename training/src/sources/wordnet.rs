//! The categories of English nouns in `WordNet`: animal, artefact, food and so on.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::error::{SourceError, read_text};
use super::words::PLACES;

/// The lexicographer's files of nouns (`lexnames(5WN)`) that hold what can be drawn.
const CONCRETE: [u8; 11] = [3, 4, 5, 6, 8, 11, 13, 17, 18, 19, 20];
/// Acts and events: words such as `bonfire` and `swimming`, and many that cannot be drawn.
const HAPPENINGS: [u8; 3] = [3, 4, 11];

/// The kinds of things that may stand in front of a backdrop.
const MOVABLE: [u8; 5] = [ANIMAL, ARTEFACT, FOOD, PERSON, PLANT];
/// Animals.
pub const ANIMAL: u8 = 5;
/// What people have made.
pub const ARTEFACT: u8 = 6;
/// Food and drink.
pub const FOOD: u8 = 13;
/// People.
pub const PERSON: u8 = 18;
/// Plants.
pub const PLANT: u8 = 20;

/// Words that are not in `WordNet` because they carry no meaning of their own.
const FUNCTION_WORDS: &str = "a an the of in on at with and or for to from by under over above below between \
                              behind beside into its his her their without near through around";

/// The nouns of `WordNet` with the kind of each of their senses, and all its words.
#[derive(Debug, Default)]
pub struct WordNet {
    /// The lexicographer's file of each sense of a noun, the most frequent sense first.
    nouns: HashMap<String, Vec<u8>>,
    /// Words of every part of speech.
    words: HashSet<String>,
    /// From an irregular plural to its noun.
    irregular: HashMap<String, String>,
}

impl WordNet {
    /// Reads the files `index.*`, `data.noun` and `noun.exc` in a folder.
    ///
    /// # Errors
    /// When one is missing.
    pub fn read(folder: &Path) -> Result<Self, SourceError> {
        let text = |name: &str| read_text(&folder.join(name));
        let mut wordnet = Self::parse(&text("index.noun")?, &text("data.noun")?);
        for index in ["index.verb", "index.adj", "index.adv"] {
            let index = text(index)?;
            let lemmas = entries(&index).filter_map(|line| line.split(' ').next());
            wordnet.words.extend(lemmas.map(str::to_owned));
        }
        for line in text("noun.exc")?.lines() {
            if let Some((plural, noun)) = line.split_once(' ') {
                wordnet.irregular.insert(plural.to_owned(), noun.to_owned());
            }
        }
        Ok(wordnet)
    }

    /// Reads the text of an index of nouns and of their data.
    pub fn parse(index: &str, data: &str) -> Self {
        let files: HashMap<&str, u8> = entries(data)
            .filter_map(|line| {
                let mut fields = line.split(' ');
                Some((fields.next()?, fields.next()?.parse().ok()?))
            })
            .collect();
        let mut wordnet = Self::default();
        wordnet
            .words
            .extend(FUNCTION_WORDS.split_whitespace().map(str::to_owned));
        for line in entries(index) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let senses: usize = fields[2].parse().unwrap_or(0);
            let kinds = fields[fields.len() - senses..]
                .iter()
                .filter_map(|sense| files.get(sense).copied())
                .collect();
            let lemma = fields[0].replace('_', " ");
            wordnet.words.insert(lemma.clone());
            wordnet.nouns.insert(lemma, kinds);
        }
        wordnet
    }

    /// Whether a word, or what it is the plural or another form of, is a word of English.
    pub fn is_word(&self, word: &str) -> bool {
        let known = |stem: &str| self.words.contains(stem);
        known(word)
            || self.singular(word).is_some()
            || ["ed", "ing", "er", "est", "'s"].iter().any(|ending| {
                word.strip_suffix(ending).is_some_and(|stem| {
                    known(stem)
                        || known(&format!("{stem}e"))
                        || without_doubled_end(stem).is_some_and(known)
                })
            })
            || word
                .strip_suffix('s')
                .is_some_and(|stem| stem.len() > 2 && known(stem))
    }

    /// The noun that a word is the plural of.
    pub fn singular(&self, word: &str) -> Option<String> {
        if let Some(noun) = self.irregular.get(word) {
            return Some(noun.clone());
        }
        let not_plural = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
        if not_plural || ["bus", "gas", "lens", "news", "canvas"].contains(&word) {
            return None;
        }
        let candidates = [
            word.strip_suffix("ies").map(|stem| format!("{stem}y")),
            word.strip_suffix("es").map(str::to_owned),
            word.strip_suffix('s').map(str::to_owned),
        ];
        candidates
            .into_iter()
            .flatten()
            .find(|noun| noun.len() > 2 && self.nouns.contains_key(noun))
    }

    /// The kinds of the senses of a noun in singular or plural; none if it is no noun.
    pub fn kinds(&self, noun: &str) -> &[u8] {
        let found = self.nouns.get(noun).or_else(|| {
            let singular = self.singular(noun)?;
            self.nouns.get(&singular)
        });
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether a noun names something that can be drawn: one of its first two senses does.
    pub fn is_concrete(&self, noun: &str) -> bool {
        let kinds = self.kinds(noun);
        // Locations are mostly countries and towns, which have no look of their own.
        PLACES.contains(noun) || kinds.iter().take(2).any(|kind| CONCRETE.contains(kind))
    }

    /// Whether a noun is an act or event in its usual sense.
    pub fn is_happening(&self, noun: &str) -> bool {
        self.kinds(noun)
            .first()
            .is_some_and(|kind| HAPPENINGS.contains(kind))
    }

    /// The kind of the thing that a phrase names in its last words, if that may stand on its own
    /// anywhere: an animal, something made, food, a person or a plant.
    pub fn movable(&self, phrase: &str) -> Option<u8> {
        let mut rest = phrase;
        loop {
            if let Some(kind) = self.kinds(rest).first() {
                return MOVABLE.contains(kind).then_some(*kind);
            }
            rest = rest.split_once(' ')?.1;
        }
    }
}

/// `swimm` to `swim`.
fn without_doubled_end(stem: &str) -> Option<&str> {
    let mut letters = stem.chars().rev();
    (letters.next()? == letters.next()?).then(|| &stem[..stem.len() - 1])
}

/// The lines of a file of `WordNet` after its licence, which is indented.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("  ") && !line.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const INDEX: &str = "  1 licence
bonfire n 1 2 @ ~ 1 0 00000011
cat n 2 1 @ 2 1 00000005 00000018
sea_lion n 1 1 @ 1 0 00000005
idea n 1 1 @ 1 1 00000009
moon n 1 1 @ 1 1 00000017
house n 1 1 @ 1 1 00000006
apple n 1 1 @ 1 1 00000013
box n 1 1 @ 1 1 00000006
glass n 1 1 @ 1 1 00000006
pirate n 1 1 @ 1 1 00000018
lady n 1 1 @ 1 1 00000018
";
    const DATA: &str = "  1 licence
00000005 05 n 01 cat
00000006 06 n 01 house
00000009 09 n 01 idea
00000011 11 n 01 bonfire
00000013 13 n 01 apple
00000017 17 n 01 moon
00000018 18 n 01 pirate
";

    pub(crate) fn small() -> WordNet {
        WordNet::parse(INDEX, DATA)
    }

    #[test]
    fn animals_and_bonfires_can_be_drawn_and_ideas_cannot() {
        let wordnet = small();
        assert!(wordnet.is_concrete("cat") && wordnet.is_concrete("bonfire"));
        assert!(!wordnet.is_concrete("idea") && !wordnet.is_concrete("zzz"));
        assert!(wordnet.is_happening("bonfire") && !wordnet.is_happening("cat"));
    }

    #[test]
    fn plurals_are_traced_back_to_their_noun() {
        let wordnet = small();
        assert_eq!(wordnet.singular("cats").as_deref(), Some("cat"));
        assert_eq!(wordnet.singular("boxes").as_deref(), Some("box"));
        assert_eq!(wordnet.singular("ladies").as_deref(), Some("lady"));
        assert_eq!(wordnet.singular("glass"), None);
        assert_eq!(wordnet.kinds("cats"), [5, 18]);
    }

    #[test]
    fn what_a_phrase_ends_in_says_whether_it_can_stand_anywhere() {
        let wordnet = small();
        assert_eq!(wordnet.movable("old sea lion"), Some(ANIMAL));
        assert_eq!(wordnet.movable("moon"), None);
        assert_eq!(wordnet.movable("blorp"), None);
    }
}
