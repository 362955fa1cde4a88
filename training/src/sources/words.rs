//! The lists of words in `training/words`, made by hand.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Words of user interfaces and signs.
pub static INTERFACE: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../words/interface.txt")));
/// Names of companies, and icons (`set:name`) that are a company's mark.
pub static BRANDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../words/brands.txt")));
/// Words for what is not drawn here.
pub static UNWANTED: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../words/unwanted.txt")));
/// Nouns without an article.
pub static UNCOUNTABLE: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../words/uncountable.txt")));
/// Nouns for places and parts of landscapes.
pub static PLACES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| words(include_str!("../../words/places.txt")));
/// From a name to other words that people use for it.
pub static EVERYDAY: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| table(EVERYDAY_TEXT));
/// From an everyday word to the name that means the very same thing.
pub static SAME: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let pairs = lines(EVERYDAY_TEXT).filter_map(|line| line.split_once(" == "));
    pairs
        .filter_map(|(name, words)| Some((words.split(", ").next()?, name)))
        .collect()
});
/// From a name in fxemoji to the name of the emoji.
pub static FXEMOJI: LazyLock<HashMap<&str, Vec<&str>>> =
    LazyLock::new(|| table(include_str!("../../words/fxemoji.txt")));

const EVERYDAY_TEXT: &str = include_str!("../../words/everyday.txt");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn words(text: &str) -> HashSet<&str> {
    lines(text).flat_map(str::split_whitespace).collect()
}

fn table(text: &str) -> HashMap<&str, Vec<&str>> {
    lines(text)
        .filter_map(|line| line.split_once(" = ").or_else(|| line.split_once(" == ")))
        .map(|(key, values)| (key, values.split(", ").collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_words_and_every_line_of_a_table_counts() {
        assert_eq!(words("# a comment\none two\nthree\n").len(), 3);
        assert_eq!(table("a b = c, d e\n")["a b"], ["c", "d e"]);
        assert!(INTERFACE.contains("chevron") && !INTERFACE.contains("#"));
        assert_eq!(FXEMOJI["bunnyside"], ["rabbit"]);
        assert_eq!(EVERYDAY["deciduous tree"], ["tree"]);
        assert_eq!(SAME["tree"], "deciduous tree");
    }
}
