//! The captions of a picture: everything that is true of it.

use std::collections::BTreeSet;

use super::colors::is_color;
use super::pack::{Backdrop, Filter, Record};
use super::sources::names::article;
use super::sources::{CatalogueEntry, WordNet, names};

/// What is said of an object in front of a backdrop; `{}` is the object with its article.
pub const SCENES: [(Backdrop, &str); 13] = [
    (Backdrop::UnderWater, "{} under water"),
    (Backdrop::Sea, "{} on the sea"),
    (Backdrop::Meadow, "{} in a meadow"),
    (Backdrop::Meadow, "{} on the grass"),
    (Backdrop::Night, "{} at night"),
    (Backdrop::Night, "{} under the stars"),
    (Backdrop::Snow, "{} in the snow"),
    (Backdrop::Desert, "{} in the desert"),
    (Backdrop::Space, "{} in space"),
    (Backdrop::Sunset, "{} at sunset"),
    (Backdrop::Sky, "{} in the sky"),
    (Backdrop::Forest, "{} in a forest"),
    (Backdrop::Forest, "{} in the woods"),
];

/// What is said of a picture after a filter; `{}` is what it shows, with its article.
pub const FILTERS: [(Filter, &str); 7] = [
    (Filter::Watercolor, "a watercolor painting of {}"),
    (Filter::PencilSketch, "a pencil sketch of {}"),
    (Filter::OilPainting, "an oil painting of {}"),
    (Filter::PixelArt, "pixel art of {}"),
    (Filter::Neon, "a neon sign of {}"),
    (Filter::Blueprint, "a blueprint of {}"),
    (Filter::BlackAndWhite, "a black and white picture of {}"),
];

/// Puts a thing into a caption.
pub fn fill(template: &str, thing: &str) -> String {
    template.replace("{}", thing)
}

/// The record of a rendered entry; `color` is the name of the color that dominates it.
pub fn record(entry: &CatalogueEntry, color: Option<&str>, wordnet: &WordNet) -> Record {
    let thing = names::with_article(&entry.phrase, wordnet);
    let mut plain = if entry.true_colors {
        colored(entry, &thing, color, wordnet)
    } else {
        // The picture is black or blue regardless of the thing's real color: no caption may claim
        // that cats are blue.
        looks(entry, &thing)
    };
    let mut seen = BTreeSet::new();
    plain.retain(|caption| seen.insert(caption.clone()));
    let colored = entry.true_colors && entry.weight > 0.0;
    Record {
        set: entry.set.clone(),
        name: entry.name.clone(),
        style: entry.style,
        weight: entry.weight,
        concept: entry.concept.clone(),
        plain,
        keywords: if colored {
            entry.keywords.clone()
        } else {
            Vec::new()
        },
        scenes: if colored && entry.uses.movable {
            scenes(&entry.phrase, &thing)
        } else {
            Vec::new()
        },
        filtered: if colored && entry.uses.simple {
            filtered(&thing)
        } else {
            Vec::new()
        },
    }
}

fn looks<'a>(entry: &'a CatalogueEntry, thing: &'a str) -> Vec<String> {
    let looks = entry.looks.iter();
    looks.map(|look| fill(look, thing)).collect()
}

fn colored(
    entry: &CatalogueEntry,
    thing: &str,
    color: Option<&str>,
    wordnet: &WordNet,
) -> Vec<String> {
    let mut captions = vec![
        entry.phrase.clone(),
        thing.to_owned(),
        format!("a drawing of {thing}"),
        format!("a picture of {thing}"),
    ];
    captions.extend(looks(entry, thing));
    let others = entry.everyday.iter();
    captions.extend(others.map(|other| names::with_article(other, wordnet)));
    if let Some(color) = color.filter(|_| entry.uses.colorable) {
        let all = std::iter::once(&entry.phrase).chain(&entry.everyday);
        captions.extend(all.filter_map(|phrase| in_color(phrase, color, wordnet)));
    }
    captions
}

/// `a red apple`, unless the phrase already contains a color.
fn in_color(phrase: &str, color: &str, wordnet: &WordNet) -> Option<String> {
    let speaks_of_color = phrase.split(' ').any(is_color);
    if speaks_of_color || !names::is_simple(phrase) {
        return None;
    }
    let has_article = names::with_article(phrase, wordnet) != phrase;
    let colorful = format!("{color} {phrase}");
    Some(if has_article {
        format!("{} {colorful}", article(color))
    } else {
        colorful
    })
}

/// The captions of a thing in front of every backdrop.
pub fn scenes(phrase: &str, thing: &str) -> Vec<(Backdrop, String)> {
    let mut scenes: Vec<(Backdrop, String)> = SCENES
        .iter()
        .map(|&(backdrop, template)| (backdrop, fill(template, thing)))
        .collect();
    if thing != phrase {
        scenes.push((Backdrop::UnderWater, format!("an underwater {phrase}")));
    }
    scenes
}

/// The captions of a thing after every filter.
pub fn filtered(thing: &str) -> Vec<(Filter, String)> {
    FILTERS
        .iter()
        .map(|&(filter, template)| (filter, fill(template, thing)))
        .collect()
}

/// Every caption that a record can be shown with.
pub fn all(record: &Record) -> impl Iterator<Item = &str> {
    let scenes = record.scenes.iter().map(|(_, caption)| caption);
    let filtered = record.filtered.iter().map(|(_, caption)| caption);
    std::iter::once(&record.concept)
        .chain(&record.plain)
        .chain(&record.keywords)
        .chain(scenes)
        .chain(filtered)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::pack::Style;
    use super::super::sources::{Artwork, Uses};
    use super::*;

    fn entry(phrase: &str, style: Style) -> CatalogueEntry {
        CatalogueEntry {
            set: "own".to_owned(),
            name: phrase.to_owned(),
            style,
            weight: 1.0,
            phrase: phrase.to_owned(),
            concept: format!("a {phrase}"),
            everyday: vec!["car".to_owned()],
            keywords: vec!["wheel".to_owned()],
            looks: vec!["a style of {}".to_owned()],
            uses: Uses {
                simple: true,
                movable: true,
                colorable: true,
            },
            true_colors: style != Style::Silhouette,
            artwork: Artwork::Icon(phrase.to_owned()),
        }
    }

    #[test]
    fn a_colored_picture_is_called_by_its_names_colors_scenes_and_filters() {
        let record = record(
            &entry("automobile", Style::Emoji),
            Some("red"),
            &WordNet::default(),
        );
        assert_eq!(
            record.plain,
            [
                "automobile",
                "an automobile",
                "a drawing of an automobile",
                "a picture of an automobile",
                "a style of an automobile",
                "a car",
                "a red automobile",
                "a red car",
            ]
        );
        let under_water = (Backdrop::UnderWater, "an automobile under water".to_owned());
        assert!(record.scenes.contains(&under_water));
        assert_eq!(record.filtered.len(), FILTERS.len());
        assert!(all(&record).any(|caption| caption == "wheel"));
    }

    #[test]
    fn a_silhouette_is_never_called_by_its_bare_name() {
        let record = record(
            &entry("automobile", Style::Silhouette),
            Some("black"),
            &WordNet::default(),
        );
        assert_eq!(record.plain, ["a style of an automobile"]);
        assert!(
            record.keywords.is_empty() && record.scenes.is_empty() && record.filtered.is_empty()
        );
    }

    #[test]
    fn a_name_with_a_color_gets_no_second_one() {
        let wordnet = WordNet::default();
        assert_eq!(in_color("red apple", "red", &wordnet), None);
        assert_eq!(
            in_color("bread", "brown", &wordnet).as_deref(),
            Some("brown bread")
        );
        assert_eq!(
            in_color("owl", "orange", &wordnet).as_deref(),
            Some("an orange owl")
        );
    }
}
