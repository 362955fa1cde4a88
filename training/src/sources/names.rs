//! From the names of pictures to English phrases.

use std::sync::LazyLock;

use regex::Regex;

use super::wordnet::WordNet;
use super::words::{BRANDS, EVERYDAY, INTERFACE, UNCOUNTABLE, UNWANTED};

/// Variants of the same picture, distinguished by the end of its name.
static VARIANT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        "(-(outline|outlined|filled|fill|solid|regular|bold|thin|light|duotone|flat|rounded|round|sharp|twotone\
         |linear|line|stroke|color|alt|remix|variant|negative|one|two|three|four|left|right|[0-9]+(px)?))+$",
    )
});
static SEPARATORS: LazyLock<Regex> = LazyLock::new(|| regex(r"[-_:\s]+"));
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"(^| )[0-9]+( |$)"));

/// Longer names are no names of things.
const MOST_WORDS: usize = 6;
/// People, who are named before what they do: `person surfing`.
const PEOPLE: [&str; 4] = ["man", "woman", "person", "child"];
/// Words that begin a phrase which has its article, or needs none.
const DETERMINERS: [&str; 9] = [
    "a", "an", "the", "some", "two", "three", "four", "five", "many",
];
/// Words that the noun of a phrase stands before.
const AFTER_NOUN: [&str; 17] = [
    "of", "with", "without", "in", "on", "and", "at", "behind", "under", "above", "beside", "over",
    "wearing", "holding", "for", "from", "to",
];
/// Nouns that are plural although no singular is in use.
const PLURALS: [&str; 9] = [
    "scissors",
    "pants",
    "jeans",
    "shorts",
    "pliers",
    "tongs",
    "stairs",
    "people",
    "binoculars",
];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and valid")
}

/// The words of a picture's name: lower case, separated by spaces, without the marks of variants.
pub fn phrase(name: &str) -> String {
    let name = name.to_lowercase().replace('\u{2019}', "'");
    let name = VARIANT.replace(&name, "");
    let spaced = SEPARATORS.replace_all(&name, " ");
    DIGITS.replace_all(&spaced, " ").trim().to_owned()
}

/// Letters and digits only, lower case: names that differ in nothing else are the same.
pub fn squashed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// Whether a picture is a company's mark.
pub fn is_brand(set: &str, name: &str) -> bool {
    BRANDS.contains(format!("{set}:{name}").as_str())
        || BRANDS.contains(name)
        || name
            .split('-')
            .any(|word| word == "logo" || word == "brand" || BRANDS.contains(word))
}

/// How much of a name can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawable {
    /// All of it names things.
    Fully,
    /// It names a thing, and something of a user interface or an act.
    Partly,
    /// Nothing worth learning.
    Not,
}

/// Judges a phrase of at most six words by its noun and the share of words for things.
pub fn drawable(phrase: &str, wordnet: &WordNet) -> Drawable {
    let words: Vec<&str> = phrase.split(' ').filter(|word| !word.is_empty()).collect();
    let unreadable = |word: &&str| word.len() < 2 && *word != "a" || UNWANTED.contains(*word);
    if words.is_empty() || words.len() > MOST_WORDS || words.iter().any(unreadable) {
        return Drawable::Not;
    }
    let interface = |word: &&&str| INTERFACE.contains(**word) && !AFTER_NOUN.contains(word);
    let meaningful = words.iter().filter(|word| !AFTER_NOUN.contains(word));
    let (total, signs) = (
        meaningful.clone().count(),
        words.iter().filter(interface).count(),
    );
    let things = meaningful
        .filter(|word| !INTERFACE.contains(**word) && wordnet.is_concrete(word))
        .count();
    let noun = noun(phrase);
    let noun_is_thing = wordnet.is_concrete(noun) && !INTERFACE.contains(noun);
    let compound = words.len() > 1 && wordnet.is_concrete(phrase);
    let mostly_things = noun_is_thing && 2 * things >= total;
    if !mostly_things && !compound {
        return Drawable::Not;
    }
    if signs > 0 || wordnet.is_happening(phrase) && words.len() == 1 {
        return Drawable::Partly;
    }
    Drawable::Fully
}

/// The word of a phrase that says what it is: the last one before `of`, `with` and the like.
pub fn noun(phrase: &str) -> &str {
    let mut noun = "";
    for word in phrase.split(' ') {
        if AFTER_NOUN.contains(&word) && !noun.is_empty() {
            break;
        }
        noun = word;
    }
    noun
}

/// Everyday words for a name.
pub fn everyday(name: &str) -> Vec<String> {
    let words = EVERYDAY.get(name).into_iter().flatten();
    words.map(|&word| word.to_owned()).collect()
}

/// Whether a phrase is a name of one or two words without anything around it.
pub fn is_simple(phrase: &str) -> bool {
    let mut words = phrase.split(' ');
    phrase.split(' ').count() <= 2
        && words.all(|word| !AFTER_NOUN.contains(&word) && !INTERFACE.contains(word))
}

/// A phrase with the article that it needs: `a cat`, `an owl`, `bread`, `cherries`.
pub fn with_article(phrase: &str, wordnet: &WordNet) -> String {
    let first = phrase.split(' ').next().unwrap_or_default();
    let noun = noun(phrase);
    if PEOPLE.contains(&first) {
        return format!("a {phrase}");
    }
    let uncountable = UNCOUNTABLE.contains(noun) || UNCOUNTABLE.contains(phrase);
    let plural = PLURALS.contains(&noun) || wordnet.singular(noun).is_some();
    if DETERMINERS.contains(&first) || uncountable || plural {
        return phrase.to_owned();
    }
    if first == phrase && phrase.ends_with("ing") && wordnet.is_happening(phrase) {
        return phrase.to_owned();
    }
    format!("{} {phrase}", article(first))
}

/// `a` or `an`, as it is said before a word.
pub fn article(word: &str) -> &'static str {
    let consonant = [
        "uni", "use", "eu", "one", "ukulele", "u-", "ufo", "utensil", "urinal",
    ];
    let silent = ["hour", "honest", "heir"];
    let begins = |starts: &[&str]| starts.iter().any(|start| word.starts_with(start));
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u']);
    if begins(&silent) || vowel && !begins(&consonant) {
        "an"
    } else {
        "a"
    }
}

#[cfg(test)]
mod tests {
    use super::super::wordnet::tests::small;
    use super::*;

    #[test]
    fn names_lose_their_separators_variants_and_numbers() {
        assert_eq!(phrase("sea-lion-outline"), "sea lion");
        assert_eq!(phrase("clinking-glasses-4"), "clinking glasses");
        assert_eq!(phrase("woman\u{2019}s_hat"), "woman's hat");
        assert_eq!(squashed("jack-o\u{2019}-lantern"), "jackolantern");
    }

    #[test]
    fn articles_are_those_that_are_spoken() {
        let wordnet = small();
        for (phrase, spoken) in [
            ("cat", "a cat"),
            ("apple", "an apple"),
            ("unicorn", "a unicorn"),
            ("hourglass", "an hourglass"),
            ("cats", "cats"),
            ("glass", "a glass"),
            ("glass of milk", "a glass of milk"),
            ("fire", "fire"),
            ("person surfing", "a person surfing"),
            ("fire engine", "a fire engine"),
            ("two cats", "two cats"),
        ] {
            assert_eq!(with_article(phrase, &wordnet), spoken);
        }
    }

    #[test]
    fn interfaces_and_ideas_are_not_drawn() {
        let wordnet = small();
        assert_eq!(drawable("cat", &wordnet), Drawable::Fully);
        assert_eq!(drawable("sea lion", &wordnet), Drawable::Fully);
        assert_eq!(drawable("cat search", &wordnet), Drawable::Not);
        assert_eq!(drawable("search cat", &wordnet), Drawable::Partly);
        assert_eq!(drawable("idea", &wordnet), Drawable::Not);
        assert_eq!(drawable("naked cat", &wordnet), Drawable::Not);
        assert_eq!(drawable("house of idea", &wordnet), Drawable::Fully);
    }

    #[test]
    fn marks_of_companies_are_known() {
        assert!(is_brand("ph", "google-logo") && is_brand("tabler", "brand-figma"));
        assert!(is_brand("mdi", "apple") && !is_brand("twemoji", "apple"));
    }
}
