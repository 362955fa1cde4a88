//! Icons of `@iconify/json`: a file for each set, and a file about all sets.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;

use super::emoji::EmojiNames;
use super::entry::{Artwork, CatalogueEntry, PictureSource, Uses, may_be_learned};
use super::error::{SourceError, read_json};
use super::names::{self, Drawable};
use super::sets::{IconSet, LINES, Naming, SILHOUETTE, folder};
use super::wordnet::{PERSON, WordNet};
use super::words::PLACES;
use crate::pack::Style;

/// Categories of sets that hold no things.
const INTERFACE_CATEGORIES: [&str; 38] = [
    "Abstract",
    "Alert / Error",
    "Alpha / Numeric",
    "Arrange",
    "Arrow",
    "Arrows",
    "Base",
    "Battery",
    "Brand",
    "Brand / Logo",
    "Charts",
    "Components",
    "Connect",
    "Currency",
    "Database",
    "Datas",
    "Developer / Languages",
    "Edit",
    "Edit / Modify",
    "Files / Folders",
    "Flags",
    "Form",
    "Graphs",
    "Math",
    "Modifiers",
    "Notification",
    "Operate",
    "Programming",
    "Settings",
    "Shape",
    "Shapes",
    "Social Media",
    "Symbols",
    "Text / Content / Format",
    "Tooltip",
    "Typography",
    "Vector",
    "View",
];
/// Pictures of one set under the same phrase.
const COLORED_VARIANTS: usize = 3;
/// Skin tones at the end of the name of an emoji.
const SKIN_TONE: &str = "-skin-tone";
/// Weight of pictures that are black, blue or on a colored disc, beside those in true colors.
pub const FALSE_COLOR_WEIGHT: f32 = 0.25;
/// Weight of names with something of a user interface in them, beside others.
const PARTLY_WEIGHT: f32 = 0.4;

/// What the file about all sets says of one.
#[derive(Debug, Deserialize)]
pub struct Collection {
    name: String,
    author: Author,
    license: Licence,
}

#[derive(Debug, Deserialize)]
struct Author {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Licence {
    title: String,
    spdx: Option<String>,
}

/// The file of a set.
#[derive(Debug, Deserialize)]
pub struct IconFile {
    icons: BTreeMap<String, Icon>,
    #[serde(default)]
    aliases: BTreeMap<String, Alias>,
    /// From code points to names.
    #[serde(default)]
    pub chars: BTreeMap<String, String>,
    #[serde(default)]
    categories: BTreeMap<String, Vec<String>>,
    width: Option<f64>,
    height: Option<f64>,
    left: Option<f64>,
    top: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Icon {
    body: String,
    #[serde(default)]
    hidden: bool,
    width: Option<f64>,
    height: Option<f64>,
    left: Option<f64>,
    top: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    parent: String,
}

impl IconFile {
    /// Reads the file of a set.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn read(packages: &Path, set: &str) -> Result<Self, SourceError> {
        let path = packages.join(folder::ICONIFY);
        read_json(&path.join("json").join(format!("{set}.json")))
    }

    /// An icon as an SVG document, black where it leaves the color to the page.
    pub fn svg(&self, name: &str) -> Option<String> {
        const SIDE: f64 = 16.0;
        let icon = self.icons.get(name)?;
        let number = |own: Option<f64>, of_set: Option<f64>, usual| own.or(of_set).unwrap_or(usual);
        let (left, top) = (
            number(icon.left, self.left, 0.0),
            number(icon.top, self.top, 0.0),
        );
        let width = number(icon.width, self.width, SIDE);
        let height = number(icon.height, self.height, SIDE);
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
             viewBox=\"{left} {top} {width} {height}\" color=\"#000\">{}</svg>",
            icon.body
        ))
    }

    /// Other names of each icon.
    fn other_names(&self) -> HashMap<&str, Vec<&str>> {
        let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
        for (alias, of) in &self.aliases {
            names.entry(&of.parent).or_default().push(alias);
        }
        names
    }

    /// Whether an icon lies in a category without things.
    fn interface_names(&self) -> std::collections::HashSet<&str> {
        INTERFACE_CATEGORIES
            .iter()
            .filter_map(|category| self.categories.get(*category))
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

/// The file about all sets.
///
/// # Errors
/// When it is missing or malformed.
pub fn collections(packages: &Path) -> Result<BTreeMap<String, Collection>, SourceError> {
    read_json(&packages.join(folder::ICONIFY).join("collections.json"))
}

/// The word lists that names are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// Nouns and their kinds.
    pub wordnet: &'a WordNet,
    /// Emoji and their names.
    pub emoji: &'a EmojiNames,
}

impl Knowledge<'_> {
    /// Whether a phrase is one word, the name of an emoji or in the dictionary as it stands, rather than
    /// words put side by side.
    fn is_english(self, phrase: &str) -> bool {
        !phrase.contains(' ')
            || !self.wordnet.kinds(phrase).is_empty()
            || self.emoji.named(phrase).is_some()
    }
}

/// The entries of a set, and what is known of it.
///
/// # Errors
/// When no such set is in the collections.
pub fn entries(
    set: &IconSet,
    file: &IconFile,
    collections: &BTreeMap<String, Collection>,
    version: &str,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    let about = collections
        .get(set.name)
        .ok_or_else(|| SourceError::NoSet(set.name.to_owned()))?;
    let licence = about.license.spdx.as_ref().unwrap_or(&about.license.title);
    let learned = may_be_learned(licence);
    let source = PictureSource {
        set: set.name.to_owned(),
        title: about.name.clone(),
        author: about.author.name.clone(),
        package: "@iconify/json".to_owned(),
        version: version.to_owned(),
        licence: licence.clone(),
        seen: file.icons.values().filter(|icon| !icon.hidden).count(),
        kept: 0,
        learned,
    };
    let mut entries = match set.naming {
        Naming::Emoji => emoji_entries(set, file, knowledge),
        Naming::Words | Naming::Compounds => word_entries(set, file, knowledge),
    };
    if !learned {
        for entry in &mut entries {
            entry.weight = 0.0;
        }
    }
    Ok((source, entries))
}

fn emoji_entries(set: &IconSet, file: &IconFile, knowledge: Knowledge<'_>) -> Vec<CatalogueEntry> {
    let mut entries = Vec::new();
    for (name, icon) in &file.icons {
        if icon.hidden || name.contains(SKIN_TONE) {
            continue;
        }
        let Some(emoji) = knowledge.emoji.named_in(set.name, name) else {
            continue;
        };
        if set.name == "openmoji" && !emoji.is_thing() {
            continue;
        }
        let mut entry = emoji_entry(set.name, name, emoji, knowledge.wordnet);
        entry.style = set.style;
        entry.looks = looks(set.looks);
        entry.artwork = Artwork::Icon(name.clone());
        entry.true_colors = set.true_colors;
        if !set.true_colors {
            entry.weight *= FALSE_COLOR_WEIGHT;
        }
        entries.push(entry);
    }
    entries
}

/// An emoji in a set; style, looks and artwork are those of colored icons until they are set.
pub fn emoji_entry(
    set: &str,
    name: &str,
    emoji: &super::emoji::Emoji,
    wordnet: &WordNet,
) -> CatalogueEntry {
    let simple = emoji.is_simple();
    CatalogueEntry {
        set: set.to_owned(),
        name: name.to_owned(),
        style: Style::Emoji,
        weight: emoji.weight(),
        phrase: emoji.label.clone(),
        concept: names::with_article(&emoji.label, wordnet),
        everyday: names::everyday(&emoji.label),
        keywords: emoji.keywords.clone(),
        looks: Vec::new(),
        uses: Uses {
            simple: simple || emoji.is_movable(),
            movable: emoji.is_movable(),
            colorable: simple,
        },
        true_colors: true,
        artwork: Artwork::Icon(name.to_owned()),
    }
}

fn word_entries(set: &IconSet, file: &IconFile, knowledge: Knowledge<'_>) -> Vec<CatalogueEntry> {
    let others = file.other_names();
    let interface = file.interface_names();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let most = if set.true_colors { COLORED_VARIANTS } else { 1 };
    let mut entries = Vec::new();
    for (name, icon) in &file.icons {
        let unfit = icon.hidden || !set.choice.takes(name) || interface.contains(name.as_str());
        if unfit || names::is_brand(set.name, name) {
            continue;
        }
        let phrase = names::phrase(name);
        let Some(mut entry) = word_entry(set.name, name, &phrase, knowledge) else {
            continue;
        };
        if set.naming == Naming::Compounds && !knowledge.is_english(&phrase) {
            entry.weight *= PARTLY_WEIGHT;
            entry.uses = Uses::default();
        }
        let count = seen.entry(phrase).or_default();
        *count += 1;
        if *count > most {
            continue;
        }
        entry.style = set.style;
        entry.looks = looks(looks_of(set, name));
        entry.true_colors = set.true_colors;
        if !set.true_colors {
            entry.weight *= FALSE_COLOR_WEIGHT;
        }
        let aliases = others.get(name.as_str()).into_iter().flatten();
        entry.keywords = aliases
            .map(|alias| names::phrase(alias))
            .filter(|alias| {
                *alias != entry.phrase
                    && names::drawable(alias, knowledge.wordnet) == Drawable::Fully
            })
            .take(5)
            .collect();
        entries.push(entry);
    }
    entries
}

/// The entry of a picture with a name in words, as an icon, if it shows something.
pub fn word_entry(
    set: &str,
    name: &str,
    phrase: &str,
    knowledge: Knowledge<'_>,
) -> Option<CatalogueEntry> {
    let Knowledge { wordnet, emoji } = knowledge;
    let weight = match names::drawable(phrase, wordnet) {
        Drawable::Fully => 1.0,
        Drawable::Partly => PARTLY_WEIGHT,
        Drawable::Not => return None,
    };
    let label = emoji.same_as(phrase);
    let kind = wordnet.movable(phrase);
    let simple = names::is_simple(phrase) && weight == 1.0;
    let mut everyday = names::everyday(phrase);
    if label != phrase && names::squashed(label) != names::squashed(phrase) {
        everyday.push(label.to_owned());
    }
    Some(CatalogueEntry {
        set: set.to_owned(),
        name: name.to_owned(),
        style: Style::Icon,
        weight: if kind == Some(PERSON) {
            0.5 * weight
        } else {
            weight
        },
        phrase: phrase.to_owned(),
        concept: names::with_article(label, wordnet),
        everyday,
        keywords: Vec::new(),
        looks: Vec::new(),
        uses: Uses {
            simple,
            movable: simple && kind.is_some() && !PLACES.contains(names::noun(phrase)),
            colorable: simple && kind.is_some_and(|kind| kind != PERSON),
        },
        true_colors: true,
        artwork: Artwork::Icon(name.to_owned()),
    })
}

/// Captions for the style of one icon: many sets have some icons filled and some in lines.
fn looks_of(set: &IconSet, name: &str) -> &'static [&'static str] {
    match set.style {
        Style::Silhouette if name.contains("outline") => LINES,
        Style::Silhouette if name.ends_with("-filled") => SILHOUETTE,
        _ => set.looks,
    }
}

/// The captions of a style, as an entry has them.
pub fn looks(looks: &[&str]) -> Vec<String> {
    looks.iter().map(|&look| look.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::wordnet::tests::small;
    use super::*;

    const FILE: &str = r#"{
        "icons": {
            "cat": {"body": "<path d='M0 0h9v9z'/>"},
            "cat-2": {"body": "<path/>", "width": 20},
            "cat-outline": {"body": "<path/>"},
            "idea": {"body": "<path/>"},
            "house-logo": {"body": "<path/>"},
            "box": {"body": "<path/>", "hidden": true},
            "apple": {"body": "<path/>"}
        },
        "aliases": {"pirate": {"parent": "cat"}, "search": {"parent": "cat"}},
        "categories": {"Programming": ["apple"]},
        "width": 24, "height": 24
    }"#;

    fn set(style: Style) -> IconSet {
        IconSet {
            name: "own",
            naming: Naming::Words,
            style,
            looks: SILHOUETTE,
            choice: super::super::sets::VariantChoice::All,
            true_colors: style != Style::Silhouette,
        }
    }

    #[test]
    fn things_are_taken_from_a_set_and_the_rest_is_not() {
        let file: IconFile = serde_json::from_str(FILE).unwrap();
        let (wordnet, emoji) = (small(), EmojiNames::default());
        let knowledge = Knowledge {
            wordnet: &wordnet,
            emoji: &emoji,
        };
        let entries = word_entries(&set(Style::Icon), &file, knowledge);
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["cat", "cat-2", "cat-outline"]);
        assert_eq!(entries[0].concept, "a cat");
        assert_eq!(entries[0].keywords, ["pirate"]);
        let silhouettes = word_entries(&set(Style::Silhouette), &file, knowledge);
        assert_eq!(silhouettes.len(), 1);
        assert_eq!(silhouettes[0].weight, FALSE_COLOR_WEIGHT);
    }

    #[test]
    fn an_icon_is_a_document_in_the_box_of_its_set() {
        let file: IconFile = serde_json::from_str(FILE).unwrap();
        assert!(file.svg("cat").unwrap().contains("viewBox=\"0 0 24 24\""));
        assert!(file.svg("cat-2").unwrap().contains("viewBox=\"0 0 20 24\""));
        assert_eq!(file.svg("dog"), None);
    }

    #[test]
    fn a_set_of_copyleft_is_kept_for_tests() {
        let file: IconFile = serde_json::from_str(FILE).unwrap();
        let (wordnet, emoji) = (small(), EmojiNames::default());
        let knowledge = Knowledge {
            wordnet: &wordnet,
            emoji: &emoji,
        };
        let about = |spdx| {
            let text = format!(
                r#"{{"own": {{"name": "Own", "author": {{"name": "We"}}, "license": {{"title": "T", "spdx": "{spdx}"}}}}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let weights = |spdx| {
            let (source, entries) =
                entries(&set(Style::Icon), &file, &about(spdx), "1", knowledge).unwrap();
            (source.learned, entries[0].weight)
        };
        assert_eq!(weights("MIT"), (true, 1.0));
        assert_eq!(weights("CC-BY-SA-4.0"), (false, 0.0));
    }
}
