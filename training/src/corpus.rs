//! The texts that the text tower is trained and tested with.
//!
//! Captions alone would leave most of the vocabulary untrained, so the words of WordNet and their glosses
//! are added. Combinations of things with styles, colors and places teach how words are combined.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::teacher::read_lines;
use super::tensor_file::write_bytes;
use super::wordnet_texts::WordNetTexts;

/// One caption of so many is kept for the test.
const HELD_CAPTIONS: u64 = 20;
/// One thing of so many, among those that no caption names, is kept for the test.
const HELD_CONCEPTS: u64 = 200;
/// One thing of WordNet's of so many is also put into a template.
const TEMPLATED: u64 = 2;
/// Words of a caption's noun that is put together with others.
const MOST_WORDS: usize = 2;

const STYLES: [&str; 30] = [
    "a drawing of {}",
    "a picture of {}",
    "a painting of {}",
    "a sketch of {}",
    "a photo of {}",
    "a photograph of {}",
    "a watercolor painting of {}",
    "watercolor painting of {}",
    "an oil painting of {}",
    "a pencil sketch of {}",
    "a pencil drawing of {}",
    "an ink drawing of {}",
    "a line drawing of {}",
    "a black silhouette of {}",
    "a black and white picture of {}",
    "pixel art of {}",
    "a neon sign of {}",
    "a blueprint of {}",
    "a cartoon of {}",
    "an emoji of {}",
    "an icon of {}",
    "a symbol of {}",
    "clip art of {}",
    "a 3d render of {}",
    "a child's drawing of {}",
    "a stained glass window of {}",
    "a minimalist drawing of {}",
    "a realistic painting of {}",
    "{} in the style of van gogh",
    "a colorful illustration of {}",
];
/// Words that go between an article and a noun.
const QUALITIES: [&str; 30] = [
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "golden",
    "silver",
    "dark",
    "bright",
    "colorful",
    "big",
    "small",
    "tiny",
    "old",
    "new",
    "cute",
    "wooden",
    "broken",
    "round",
    "flying",
    "burning",
    "happy",
    "underwater",
    "dark blue",
];
const PLACES: [&str; 22] = [
    "{} under water",
    "{} under the sea",
    "{} on the sea",
    "{} in the ocean",
    "{} on a river",
    "{} on grass",
    "{} in a meadow",
    "{} at night",
    "{} in the moonlight",
    "{} in the snow",
    "{} in the desert",
    "{} in space",
    "{} at sunset",
    "{} at sunrise",
    "{} in the sky",
    "{} in the forest",
    "{} in the mountains",
    "{} on a beach",
    "{} in the rain",
    "{} in a city",
    "{} in a garden",
    "{} on a table",
];
const RELATIONS: [&str; 12] = [
    "{} and {}",
    "{} next to {}",
    "{} on top of {}",
    "{} in front of {}",
    "{} under {}",
    "{} behind {}",
    "{} with {}",
    "{} in {}",
    "{} holding {}",
    "{} riding {}",
    "{} eating {}",
    "{} looking at {}",
];
/// What people ask a drawing not to be, and other prompts that name no thing.
const PROMPTS: [&str; 24] = [
    "messy scribbles",
    "random lines",
    "a scribble",
    "scribbles on paper",
    "a badly drawn sketch",
    "a badly drawn picture",
    "many ugly, messy drawings",
    "an ugly drawing",
    "a messy drawing",
    "a blurry picture",
    "an abstract painting",
    "a plain white background",
    "an empty page",
    "text",
    "words and letters",
    "a beautiful landscape",
    "a beautiful painting",
    "a watercolor painting of an underwater submarine",
    "an underwater submarine",
    "a horse eating a cupcake",
    "the space between infinity",
    "self",
    "happiness",
    "a drawing made of colorful strokes",
];

/// Texts to learn and texts to test with; no text is in two lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Captions to learn.
    pub captions: Vec<String>,
    /// Other texts to learn.
    pub words: Vec<String>,
    /// Captions for the test.
    pub held_captions: Vec<String>,
    /// Texts about things that no text to learn was made of, for the test. A thing's name may still stand in
    /// a gloss or in the name of another thing.
    pub held_concepts: Vec<String>,
}

impl Corpus {
    /// Puts the texts together. Each text decides for itself on which side it falls, so that the same
    /// texts stay on the test's side when captions are added.
    pub fn build(captions: &[String], words: &WordNetTexts) -> Self {
        let (held_captions, captions): (BTreeSet<_>, BTreeSet<_>) = captions
            .iter()
            .cloned()
            .partition(|caption| one_of(HELD_CAPTIONS, "caption", caption));
        let nouns = captions.iter().filter_map(|caption| noun(caption));
        let shown: BTreeSet<String> = nouns.map(str::to_owned).collect();
        let named =
            |thing: &&String| captions.contains(&with_article(thing)) || shown.contains(*thing);
        let (held, things): (Vec<_>, Vec<_>) = words
            .things
            .iter()
            .filter(|thing| !held_captions.contains(&with_article(thing)))
            .partition(|thing| !named(thing) && one_of(HELD_CONCEPTS, "concept", thing));
        let held_concepts: BTreeSet<String> = held.iter().flat_map(|thing| forms(thing)).collect();
        let mut others: BTreeSet<String> = words.lemmas.union(&words.glosses).cloned().collect();
        others.extend(things.iter().map(|thing| with_article(thing)));
        others.extend(things.iter().filter_map(|thing| templated(thing)));
        others.extend(products(&shown));
        others.extend(PROMPTS.map(str::to_owned));
        let learned = |text: &String| {
            !captions.contains(text)
                && !held_captions.contains(text)
                && !held_concepts.contains(text)
        };
        let concept = |text: &String| !captions.contains(text) && !held_captions.contains(text);
        Self {
            words: others.into_iter().filter(learned).collect(),
            held_concepts: held_concepts
                .iter()
                .filter(|text| concept(text))
                .cloned()
                .collect(),
            captions: captions.into_iter().collect(),
            held_captions: held_captions.into_iter().collect(),
        }
    }

    /// Reads the corpus that [`Corpus::write`] left in this folder.
    ///
    /// # Errors
    /// When a list is missing.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| read_lines(&folder.join(name));
        Ok(Self {
            captions: read("captions.txt")?,
            words: read("words.txt")?,
            held_captions: read("held-captions.txt")?,
            held_concepts: read("held-concepts.txt")?,
        })
    }

    /// Writes `captions.txt`, `words.txt`, `held-captions.txt` and `held-concepts.txt`, a text on each line.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let lists = [
            ("captions.txt", &self.captions),
            ("words.txt", &self.words),
            ("held-captions.txt", &self.held_captions),
            ("held-concepts.txt", &self.held_concepts),
        ];
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        for (name, texts) in lists {
            let lines: String = texts
                .iter()
                .flat_map(|text| [text.as_str(), "\n"])
                .collect();
            write_bytes(&folder.join(name), lines.as_bytes())?;
        }
        Ok(())
    }
}

/// The noun of a caption that is no more than an article and a noun.
fn noun(caption: &str) -> Option<&str> {
    let noun = caption
        .strip_prefix("a ")
        .or_else(|| caption.strip_prefix("an "))?;
    let plain = noun
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b' ' || byte == b'-');
    (plain && noun.split(' ').count() <= MOST_WORDS).then_some(noun)
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// A thing of WordNet's in one template, if it is its turn.
fn templated(thing: &str) -> Option<String> {
    let style = STYLES.choose(&mut generator("template", thing))?;
    one_of(TEMPLATED, "templated", thing).then(|| style.replace("{}", &with_article(thing)))
}

/// The texts that are made of a thing.
fn forms(thing: &str) -> [String; 3] {
    let named = with_article(thing);
    [thing.to_owned(), format!("a drawing of {named}"), named]
}

/// Nouns put together with styles, qualities, places and one another.
fn products(nouns: &BTreeSet<String>) -> Vec<String> {
    let all: Vec<&String> = nouns.iter().collect();
    let mut texts = Vec::new();
    for noun in nouns {
        let generator = &mut generator("products", noun);
        let named = with_article(noun);
        let chosen = STYLES.choose_multiple(generator, 3);
        texts.extend(chosen.map(|style| style.replace("{}", &named)));
        let places: Vec<&&str> = PLACES.choose_multiple(generator, 2).collect();
        texts.extend(places.iter().map(|place| place.replace("{}", &named)));
        let qualified: Vec<String> = QUALITIES
            .choose_multiple(generator, 3)
            .map(|quality| with_article(&format!("{quality} {noun}")))
            .collect();
        for relation in RELATIONS.choose_multiple(generator, 2) {
            let Some(other) = all.choose(generator) else {
                continue;
            };
            let first = relation.replacen("{}", &named, 1);
            texts.push(first.replacen("{}", &with_article(other), 1));
        }
        // One text that has everything: a style, a quality and a place.
        let style = STYLES.choose(generator).expect("there are styles");
        let whole = places[0].replace("{}", &qualified[0]);
        texts.push(style.replace("{}", &whole));
        texts.extend(qualified);
    }
    texts
}

/// Whether a text is the one of `count` that its own digest chooses.
fn one_of(count: u64, purpose: &str, text: &str) -> bool {
    let digest = digest(purpose, text);
    let start = digest.first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*start) % count == 0
}

/// Chance that depends on a text alone.
fn generator(purpose: &str, text: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(purpose, text))
}

fn digest(purpose: &str, text: &str) -> [u8; 32] {
    Sha256::digest(format!("{purpose} {text}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captions() -> Vec<String> {
        (0..200u8)
            .map(|index| {
                let letters = [index / 26 + b'a', index % 26 + b'a'].map(char::from);
                format!("a x{}{}", letters[0], letters[1])
            })
            .collect()
    }

    fn words() -> WordNetTexts {
        let things: BTreeSet<String> = (0..2000_u32)
            .map(|index| {
                let letters = [index / 676, index / 26 % 26, index % 26];
                let letters = letters.map(|letter| char::from(b'a' + letter as u8));
                letters.iter().collect()
            })
            .collect();
        WordNetTexts {
            lemmas: things.clone(),
            glosses: ["a large outdoor fire".to_owned()].into(),
            things,
        }
    }

    #[test]
    fn no_text_is_in_two_lists() {
        let corpus = Corpus::build(&captions(), &words());
        let lists = [
            &corpus.captions,
            &corpus.words,
            &corpus.held_captions,
            &corpus.held_concepts,
        ];
        let all: Vec<&String> = lists.into_iter().flatten().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(corpus.captions.len() + corpus.held_captions.len(), 200);
        assert!(lists.iter().all(|list| !list.is_empty()));
    }

    #[test]
    fn a_held_concept_is_in_no_text_that_was_made_of_it() {
        let corpus = Corpus::build(&captions(), &words());
        let learned: BTreeSet<&String> = corpus.words.iter().chain(&corpus.captions).collect();
        for form in &corpus.held_concepts {
            assert!(!learned.contains(form), "{form}");
            let thing = form.rsplit(' ').next().unwrap();
            let made = |text: &&&String| text.split(' ').any(|word| word == thing);
            assert_eq!(learned.iter().find(made), None, "{thing}");
        }
    }

    #[test]
    fn what_is_held_stays_held_when_captions_are_added() {
        let before = Corpus::build(&captions()[..100], &words());
        let after = Corpus::build(&captions(), &words());
        for caption in &before.held_captions {
            assert!(after.held_captions.contains(caption));
        }
    }

    #[test]
    fn nouns_of_captions_are_put_together_with_everything() {
        let corpus = Corpus::build(
            &["a cat".to_owned(), "a bad idea indeed".to_owned()],
            &words(),
        );
        let with_cat: Vec<&String> = corpus
            .words
            .iter()
            .filter(|text| text.contains(" cat"))
            .collect();
        assert!(with_cat.len() > 8, "{with_cat:?}");
        assert!(with_cat.iter().all(|text| !text.contains('{')));
        assert!(!corpus.words.iter().any(|text| text.contains("idea")));
    }

    #[test]
    fn a_corpus_comes_back_as_it_was_written() {
        let corpus = Corpus::build(&captions(), &words());
        let folder = tempfile::tempdir().unwrap();
        corpus.write(folder.path()).unwrap();
        assert_eq!(Corpus::open(folder.path()).unwrap(), corpus);
    }
}
