//! The catalogue: an entry for each picture to render, and a line for each source.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use super::clip_art;
use super::emoji::EmojiNames;
use super::entry::{CatalogueEntry, PictureSource};
use super::error::{SourceError, read_json};
use super::iconify::{self, IconFile, Knowledge};
use super::sets::{Naming, SETS, folder};
use super::wordnet::WordNet;
use crate::pack::Style;

/// The part of all pictures shown that may be of one concept.
const MOST_OF_ONE_CONCEPT: f32 = 0.002;
/// A thing is known by this many pictures in one color, or by a single one in its own colors: thousands
/// of names that one set of silhouettes has would take the room of the things that people ask for.
const ENOUGH_SILHOUETTES: usize = 3;

/// Everything that is known of the pictures before they are rendered.
#[derive(Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Where they come from.
    pub sources: Vec<PictureSource>,
    /// The pictures, by source.
    pub entries: Vec<CatalogueEntry>,
}

impl Catalogue {
    /// Reads all packages in a folder.
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn of_packages(packages: &Path) -> Result<Self, SourceError> {
        let wordnet = WordNet::read(&packages.join(folder::WORDNET))?;
        let mut emoji = EmojiNames::read(packages, &wordnet)?;
        for set in SETS.iter().filter(|set| set.naming == Naming::Emoji) {
            emoji.learn(&IconFile::read(packages, set.name)?.chars);
        }
        let knowledge = Knowledge {
            wordnet: &wordnet,
            emoji: &emoji,
        };
        let mut catalogue = Self::default();
        let collections = iconify::collections(packages)?;
        let version = clip_art::version_of(&packages.join(folder::ICONIFY))?;
        for set in &SETS {
            let file = IconFile::read(packages, set.name)?;
            catalogue.add(iconify::entries(
                set,
                &file,
                &collections,
                &version,
                knowledge,
            )?);
        }
        catalogue.add(clip_art::fluent_3d(packages, knowledge)?);
        catalogue.add(clip_art::carbon(packages, knowledge)?);
        catalogue.add(clip_art::open_clip_art(packages, knowledge)?);
        catalogue.add(clip_art::tuxpaint(packages, knowledge)?);
        catalogue.add(clip_art::art4apps(packages, knowledge)?);
        catalogue.leave_out_rare_things();
        catalogue.balance();
        Ok(catalogue)
    }

    /// Leaves out what too few pictures show for anything to be learned of it. Tests stay as they are.
    fn leave_out_rare_things(&mut self) {
        let mut known: HashMap<String, usize> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.weight > 0.0) {
            *known.entry(entry.concept.clone()).or_default() += match entry.style {
                Style::Silhouette | Style::Icon => 1,
                _ => ENOUGH_SILHOUETTES,
            };
        }
        self.entries
            .retain(|entry| entry.weight == 0.0 || known[&entry.concept] >= ENOUGH_SILHOUETTES);
    }

    /// Lowers the weights of a concept that would be shown too often.
    fn balance(&mut self) {
        let all: f32 = self.entries.iter().map(|entry| entry.weight).sum();
        let mut of_concept: HashMap<String, f32> = HashMap::new();
        for entry in &self.entries {
            *of_concept.entry(entry.concept.clone()).or_default() += entry.weight;
        }
        for entry in &mut self.entries {
            let excess = of_concept[&entry.concept] / (MOST_OF_ONE_CONCEPT * all);
            if excess > 1.0 {
                entry.weight /= excess;
            }
        }
    }

    fn add(&mut self, (source, entries): (PictureSource, Vec<CatalogueEntry>)) {
        self.sources.push(source);
        self.entries.extend(entries);
    }

    /// Writes `catalogue.jsonl` and `sources.json` into a folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), SourceError> {
        let path = folder.join("catalogue.jsonl");
        let write = || {
            let mut file = BufWriter::new(File::create(&path)?);
            for entry in &self.entries {
                serde_json::to_writer(&mut file, entry)?;
                file.write_all(b"\n")?;
            }
            file.flush()
        };
        write().map_err(SourceError::reading(&path))?;
        write_sources(&self.sources, &folder.join("sources.json"))
    }

    /// Reads what [`Catalogue::write`] wrote.
    ///
    /// # Errors
    /// When it is not there, or malformed.
    pub fn read(folder: &Path) -> Result<Self, SourceError> {
        let path = folder.join("catalogue.jsonl");
        let file = File::open(&path).map_err(SourceError::reading(&path))?;
        let mut entries = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(SourceError::reading(&path))?;
            let entry = serde_json::from_str(&line).map_err(|source| SourceError::Form {
                path: path.clone(),
                source,
            })?;
            entries.push(entry);
        }
        Ok(Self {
            sources: read_json(&folder.join("sources.json"))?,
            entries,
        })
    }
}

/// Writes a list of sources as readable JSON.
///
/// # Errors
/// When it cannot be written.
pub fn write_sources(sources: &[PictureSource], path: &Path) -> Result<(), SourceError> {
    let mut text = serde_json::to_string_pretty(sources).map_err(|source| SourceError::Form {
        path: path.to_owned(),
        source,
    })?;
    text.push('\n');
    fs::write(path, text).map_err(SourceError::reading(path))
}

/// Reads a list of sources.
///
/// # Errors
/// When it is not there, or malformed.
pub fn read_sources(path: &Path) -> Result<Vec<PictureSource>, SourceError> {
    read_json(path)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Artwork, Uses};
    use super::*;

    fn entry(concept: &str, style: Style, weight: f32) -> CatalogueEntry {
        CatalogueEntry {
            set: "own".to_owned(),
            name: concept.to_owned(),
            style,
            weight,
            phrase: concept.to_owned(),
            concept: concept.to_owned(),
            everyday: Vec::new(),
            keywords: Vec::new(),
            looks: Vec::new(),
            uses: Uses::default(),
            true_colors: false,
            artwork: Artwork::File("nowhere".into()),
        }
    }

    #[test]
    fn a_thing_is_learned_from_three_silhouettes_or_one_picture_in_color() {
        let mut catalogue = Catalogue {
            sources: Vec::new(),
            entries: vec![
                entry("an emoji", Style::Emoji, 1.0),
                entry("two icons", Style::Icon, 1.0),
                entry("two icons", Style::Silhouette, 1.0),
                entry("three icons", Style::Icon, 1.0),
                entry("three icons", Style::Silhouette, 1.0),
                entry("three icons", Style::Silhouette, 1.0),
                entry("a test", Style::Silhouette, 0.0),
            ],
        };
        catalogue.leave_out_rare_things();
        let left: Vec<&str> = catalogue
            .entries
            .iter()
            .map(|entry| entry.concept.as_str())
            .collect();
        assert_eq!(
            left,
            [
                "an emoji",
                "three icons",
                "three icons",
                "three icons",
                "a test"
            ]
        );
    }
}
