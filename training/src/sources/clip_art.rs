//! Pictures in separate files: three-dimensional emoji, pictograms, clip art and cut-out photographs.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::entry::{Artwork, CatalogueEntry, PUBLIC_DOMAIN, PictureSource, Uses};
use super::error::{SourceError, files_below, read_json, read_text};
use super::iconify::{FALSE_COLOR_WEIGHT, Knowledge, emoji_entry, looks, word_entry};
use super::names;
use super::sets::{CLIP_ART, LINES, RENDER, folder};
use crate::pack::Style;

/// Folders of openclipart without pictures of things, by the beginning of their path.
const CLIP_ART_WITHOUT_THINGS: [&str; 9] = [
    "buttons",
    "computer",
    "education",
    "geography",
    "logos",
    "shapes",
    "signs_and_symbols",
    "special",
    "unsorted",
];
/// Parts of paths and titles of playing cards, marks, nudity and pictures that are titled alike.
const NO_THINGS: [&str; 14] = [
    "card",
    "tux",
    "icon",
    "stickman",
    "stick_man",
    "stick man",
    "etiquette",
    "logo",
    "duplicates",
    "bullet_hole",
    "stripper",
    "sexy",
    "pimp",
    "blots",
];
/// Larger clip art than this many bytes takes too long to render.
const LARGEST_CLIP_ART: usize = 600_000;
/// The most words in the title of clip art that is used.
const TITLE_WORDS: usize = 4;

static TITLE: LazyLock<Regex> = LazyLock::new(|| regex("<dc:title>([^<]*)</dc:title>"));
static CREATOR: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?s)<dc:creator>.*?<dc:title>([^<]*)</dc:title>"));
static GIVEN_AWAY: LazyLock<Regex> =
    LazyLock::new(|| regex("(?i)<(cc:)?license rdf:resource=\"[^\"]*public ?domain/?\"/?>"));
static NUMBERS: LazyLock<Regex> = LazyLock::new(|| regex(r"[_\-#.,()!?]+|\b[0-9]+\b"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and valid")
}

fn source(
    set: &str,
    title: &str,
    author: &str,
    package: (&str, String),
    licence: &str,
) -> PictureSource {
    PictureSource {
        set: set.to_owned(),
        title: title.to_owned(),
        author: author.to_owned(),
        package: package.0.to_owned(),
        version: package.1,
        licence: licence.to_owned(),
        seen: 0,
        kept: 0,
        learned: super::entry::may_be_learned(licence),
    }
}

fn below(packages: &Path, file: &Path) -> Artwork {
    let path = file.strip_prefix(packages).unwrap_or(file);
    Artwork::File(path.to_owned())
}

fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

/// The version that a package of npm states.
///
/// # Errors
/// When it states none.
pub fn version_of(package: &Path) -> Result<String, SourceError> {
    #[derive(Deserialize)]
    struct Manifest {
        version: String,
    }
    let manifest: Manifest = read_json(&package.join("package.json"))?;
    Ok(manifest.version)
}

/// The version of a Debian package, from the name of its archive.
///
/// # Errors
/// When the archive is not there.
pub fn debian_version(packages: &Path, package: &str) -> Result<String, SourceError> {
    let beginning = format!("{package}_");
    let folder = std::fs::read_dir(packages).map_err(SourceError::reading(packages))?;
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let version = names
        .filter_map(|name| {
            let rest = name.strip_prefix(&beginning)?.strip_suffix(".deb")?;
            let version = rest.rsplit_once('_').map_or(rest, |(version, _)| version);
            Some(version.replace("%3a", ":"))
        })
        .max();
    version.ok_or_else(|| {
        let missing = std::io::ErrorKind::NotFound.into();
        SourceError::reading(&packages.join(format!("{beginning}*.deb")))(missing)
    })
}

/// `@lobehub/fluent-emoji-3d`: a file for each emoji, named after its code points.
///
/// # Errors
/// When the package is not there.
pub fn fluent_3d(
    packages: &Path,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    let package = packages.join(folder::FLUENT_3D);
    let version = version_of(&package)?;
    let mut source = source(
        "fluent-emoji-3d",
        "Fluent Emoji 3D",
        "Microsoft Corporation, packaged by LobeHub",
        ("@lobehub/fluent-emoji-3d", version),
        "MIT",
    );
    let mut entries = Vec::new();
    for file in files_below(&package.join("assets"))? {
        source.seen += 1;
        let name = stem(&file);
        if let Some(emoji) = knowledge.emoji.with_code(&name) {
            let mut entry = emoji_entry(&source.set, &name, emoji, knowledge.wordnet);
            entry.style = Style::Render;
            entry.looks = looks(RENDER);
            entry.artwork = below(packages, &file);
            entries.push(entry);
        }
    }
    Ok((source, entries))
}

/// `@carbon/pictograms`: drawings in thin black lines.
///
/// # Errors
/// When the package is not there.
pub fn carbon(
    packages: &Path,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    #[derive(Deserialize)]
    struct SvgMetadata {
        icons: Vec<Pictogram>,
    }
    #[derive(Deserialize)]
    struct Pictogram {
        name: String,
        #[serde(rename = "friendlyName")]
        title: Option<String>,
    }
    let package = packages.join(folder::CARBON);
    let metadata: SvgMetadata = read_json(&package.join("metadata.json"))?;
    let mut source = source(
        "carbon-pictograms",
        "Carbon Pictograms",
        "IBM",
        ("@carbon/pictograms", version_of(&package)?),
        "Apache-2.0",
    );
    source.seen = metadata.icons.len();
    let mut entries = Vec::new();
    for Pictogram { name, title } in metadata.icons {
        let file = package.join("svg").join(format!("{name}.svg"));
        let phrase = names::phrase(&title.unwrap_or_else(|| name.clone()));
        let entry = word_entry(&source.set, &name, &phrase, knowledge);
        if let Some(mut entry) = entry.filter(|_| file.exists()) {
            entry.style = Style::Silhouette;
            entry.true_colors = false;
            entry.weight *= FALSE_COLOR_WEIGHT;
            entry.looks = looks(LINES);
            entry.artwork = below(packages, &file);
            entries.push(entry);
        }
    }
    Ok((source, entries))
}

/// Debian's `openclipart-svg`: clip art of many people, each with a title and a licence in its metadata.
///
/// # Errors
/// When the package is not there.
pub fn open_clip_art(
    packages: &Path,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    let top = packages
        .join(folder::OPENCLIPART)
        .join("usr/share/openclipart/svg");
    let mut source = source(
        "openclipart",
        "Open Clip Art Library",
        "",
        (
            "openclipart-svg",
            debian_version(packages, "openclipart-svg")?,
        ),
        PUBLIC_DOMAIN,
    );
    let mut entries = Vec::new();
    let mut authors = std::collections::BTreeSet::new();
    for file in files_below(&top)? {
        if !has_extension(&file, &["svg"]) {
            continue;
        }
        source.seen += 1;
        let path = file.strip_prefix(&top).unwrap_or(&file).to_owned();
        let name = path.to_string_lossy().into_owned();
        let path_in_lower_case = name.to_lowercase();
        let shows_signs = NO_THINGS
            .iter()
            .any(|part| path_in_lower_case.contains(part));
        if shows_signs
            || CLIP_ART_WITHOUT_THINGS
                .iter()
                .any(|folder| path.starts_with(folder))
        {
            continue;
        }
        let text = read_text(&file)?;
        let Some(title) = usable_title(&text, knowledge) else {
            continue;
        };
        if let Some(mut entry) = word_entry(&source.set, &name, &title, knowledge) {
            entry.style = Style::ClipArt;
            entry.looks = looks(CLIP_ART);
            entry.artwork = below(packages, &file);
            entries.push(entry);
            authors.extend(creator(&text));
        }
    }
    source.author = authors.into_iter().collect::<Vec<_>>().join(", ");
    Ok((source, entries))
}

/// The title of a clip art that was given away, if it is in English and short.
fn usable_title(text: &str, knowledge: Knowledge<'_>) -> Option<String> {
    let whole = text.len() <= LARGEST_CLIP_ART && !text.contains("<image");
    if !whole || !GIVEN_AWAY.is_match(text) {
        return None;
    }
    let title = TITLE.captures(text)?.get(1)?.as_str().to_lowercase();
    let title = NUMBERS.replace_all(&title, " ");
    let mut words: Vec<&str> = title.split_whitespace().collect();
    while words.last().is_some_and(|word| word.len() < 2) {
        words.pop();
    }
    let english = words.iter().all(|word| knowledge.wordnet.is_word(word));
    let title = words.join(" ");
    let thing = !NO_THINGS.iter().any(|part| title.contains(part));
    (english && thing && words.len() <= TITLE_WORDS).then_some(title)
}

/// The name of who made a clip art, without the address that some put behind it.
fn creator(text: &str) -> Option<String> {
    let name = CREATOR.captures(text)?.get(1)?.as_str();
    let end = ["(", "[", "<", "&", " - "]
        .iter()
        .filter_map(|mark| name.find(mark))
        .min();
    let words: Vec<&str> = name[..end.unwrap_or(name.len())]
        .split_whitespace()
        .collect();
    let known = !words.is_empty() && words != ["HASH"];
    known.then(|| words.join(" "))
}

/// Debian's `tuxpaint-stamps-default`: its photographs, cut out. Under the GPL, so only for tests.
///
/// # Errors
/// When the package is not there.
pub fn tuxpaint(
    packages: &Path,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    let top = packages
        .join(folder::TUXPAINT)
        .join("usr/share/tuxpaint/stamps");
    let mut source = source(
        "tuxpaint",
        "Tux Paint stamps",
        "the Tux Paint project",
        (
            "tuxpaint-stamps-default",
            debian_version(packages, "tuxpaint-stamps-default")?,
        ),
        "GPL-2.0-or-later",
    );
    let mut entries = Vec::new();
    for file in files_below(&top)? {
        let path = file.strip_prefix(&top).unwrap_or(&file).to_owned();
        let name = path.to_string_lossy().into_owned();
        if !has_extension(&file, &["png"]) || name.contains("_mirror") || name.contains("_flip") {
            continue;
        }
        source.seen += 1;
        let description = file.with_extension("txt");
        if name.contains("cartoon") || name.starts_with("symbols") || !description.exists() {
            continue;
        }
        let text = read_text(&description)?;
        if let Some(phrase) = described(&text) {
            entries.push(test_entry(
                &source.set,
                name,
                &phrase,
                below(packages, &file),
                knowledge,
            ));
        }
    }
    Ok((source, entries))
}

/// The first line of a description, as a phrase of at most four words without its article.
fn described(text: &str) -> Option<String> {
    let line = text.lines().next()?.trim().trim_end_matches(['.', '!']);
    let line = line.to_lowercase();
    let phrase = ["a ", "an ", "the ", "some "]
        .iter()
        .find_map(|article| line.strip_prefix(article))
        .unwrap_or(&line);
    let words = phrase.split(' ').count();
    let plain = phrase
        .chars()
        .all(|letter| letter.is_ascii_alphabetic() || " -'".contains(letter));
    (!phrase.is_empty() && words <= 4 && plain).then(|| phrase.to_owned())
}

/// The cartoons of art4apps in Debian's `pysiogame`. Its two statements of licence contradict each other,
/// so only for tests.
///
/// # Errors
/// When the package is not there.
pub fn art4apps(
    packages: &Path,
    knowledge: Knowledge<'_>,
) -> Result<(PictureSource, Vec<CatalogueEntry>), SourceError> {
    let top = packages
        .join(folder::PYSIOGAME)
        .join("usr/share/games/pysiogame/res/images/art4apps");
    let mut source = source(
        "art4apps",
        "Art4Apps",
        "Smart4Kids",
        ("pysiogame", debian_version(packages, "pysiogame")?),
        "CC-BY-SA or public domain, unclear",
    );
    let mut entries = Vec::new();
    for file in files_below(&top)? {
        if !has_extension(&file, &["jpg", "png"]) {
            continue;
        }
        source.seen += 1;
        let path: PathBuf = file.strip_prefix(&top).unwrap_or(&file).to_owned();
        if path.starts_with("actions") {
            continue;
        }
        let phrase = names::phrase(&stem(&file));
        if knowledge.wordnet.is_concrete(names::noun(&phrase)) {
            let name = path.to_string_lossy().into_owned();
            let mut entry = test_entry(
                &source.set,
                name,
                &phrase,
                below(packages, &file),
                knowledge,
            );
            entry.style = Style::ClipArt;
            entries.push(entry);
        }
    }
    Ok((source, entries))
}

/// An entry that is kept for tests, a photograph by default.
fn test_entry(
    set: &str,
    name: String,
    phrase: &str,
    artwork: Artwork,
    knowledge: Knowledge<'_>,
) -> CatalogueEntry {
    let label = knowledge.emoji.same_as(phrase);
    CatalogueEntry {
        set: set.to_owned(),
        name,
        style: Style::Photo,
        weight: 0.0,
        phrase: phrase.to_owned(),
        concept: names::with_article(label, knowledge.wordnet),
        everyday: Vec::new(),
        keywords: Vec::new(),
        looks: looks(&["a photo of {}"]),
        uses: Uses::default(),
        true_colors: true,
        artwork,
    }
}

#[cfg(test)]
mod tests {
    use super::super::emoji::EmojiNames;
    use super::super::wordnet::tests::small;
    use super::*;

    fn document(title: &str, licence: &str) -> String {
        format!(
            "<svg><metadata><dc:title>{title}</dc:title><dc:creator><cc:Agent>\n<dc:title>Jane  Doe (jane@own.example)</dc:title>\
             <cc:license rdf:resource=\"http://web.resource.org/cc/{licence}\"/></metadata></svg>"
        )
    }

    #[test]
    fn clip_art_needs_an_english_title_and_a_licence() {
        let (wordnet, emoji) = (small(), EmojiNames::default());
        let knowledge = Knowledge {
            wordnet: &wordnet,
            emoji: &emoji,
        };
        let title = |title, licence| usable_title(&document(title, licence), knowledge);
        assert_eq!(
            title("Cat_and_house 01", "PublicDomain").as_deref(),
            Some("cat and house")
        );
        assert_eq!(title("il gatto", "PublicDomain"), None);
        assert_eq!(title("cat", "GPL"), None);
        assert_eq!(title("cat", ""), None);
        assert_eq!(creator(&document("cat", "")).as_deref(), Some("Jane Doe"));
    }

    #[test]
    fn descriptions_become_phrases() {
        assert_eq!(
            described("A sea lion.\nde.utf8=Seelöwe").as_deref(),
            Some("sea lion")
        );
        assert_eq!(described("Look, the moon is up tonight!"), None);
    }

    #[test]
    fn the_version_of_a_debian_package_is_that_of_its_archive() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own-set_1%3a0.18-19_all.deb"), "").unwrap();
        assert_eq!(
            debian_version(folder.path(), "own-set").unwrap(),
            "1:0.18-19"
        );
        assert!(debian_version(folder.path(), "other").is_err());
    }
}
