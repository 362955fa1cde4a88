//! Renders the catalogue into the pack of icons for training and the pack for tests.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::captions;
use super::colors;
use super::pack::{PackWriter, Record};
use super::packs::{self, ICONS, MANIFEST, PackError, TESTS};
use super::render::{self, SvgRenderError};
use super::sources::catalogue::{Catalogue, write_sources};
use super::sources::iconify::IconFile;
use super::sources::sets::folder;
use super::sources::{Artwork, CatalogueEntry, WordNet};

/// Pictures rendered before they are written.
const BATCH: usize = 512;
/// What happened to the entries of the catalogue.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RenderSummary {
    /// Pictures in the packs, by set.
    pub kept: BTreeMap<String, usize>,
    /// Pictures that could not be rendered or show nothing.
    pub failed: usize,
    /// Pictures that another set has too, under the same concept.
    pub repeated: usize,
}

/// Renders every entry of the catalogue in `training` into `packs/icons` and `packs/tests`, and writes the
/// manifest of sources beside them.
///
/// # Errors
/// When the catalogue or a package is missing, or a pack cannot be written. A single picture that cannot
/// be rendered is counted and left out.
pub fn render(training: &Path) -> Result<RenderSummary, PackError> {
    let mut catalogue = Catalogue::read(training)?;
    let packages = training.join("packages");
    let wordnet = WordNet::read(&packages.join(folder::WORDNET))?;
    let packs = packs::folder(training);
    let mut writers = [
        Writer::create(&packs, ICONS)?,
        Writer::create(&packs, TESTS)?,
    ];
    let mut outcome = RenderSummary::default();
    let mut known = HashSet::new();
    for entries in catalogue.entries.chunk_by(|one, next| one.set == next.set) {
        let set = &entries[0].set;
        let icons = matches!(entries[0].artwork, Artwork::Icon(_))
            .then(|| IconFile::read(&packages, set))
            .transpose()?;
        let artist = Artist {
            packages: &packages,
            icons: icons.as_ref(),
            wordnet: &wordnet,
        };
        for batch in entries.chunks(BATCH) {
            let pictures: Vec<_> = batch
                .par_iter()
                .map(|entry| artist.picture(entry))
                .collect();
            for picture in pictures {
                let Ok((picture, record)) = picture else {
                    outcome.failed += 1;
                    continue;
                };
                if !known.insert(fingerprint(&picture, &record.concept)) {
                    outcome.repeated += 1;
                    continue;
                }
                writers[usize::from(record.weight == 0.0)].add(&picture, &record)?;
                *outcome.kept.entry(record.set).or_default() += 1;
            }
        }
    }
    for writer in writers {
        writer.finish()?;
    }
    for source in &mut catalogue.sources {
        source.kept = outcome.kept.get(&source.set).copied().unwrap_or(0);
    }
    write_sources(&catalogue.sources, &packs.join(MANIFEST))?;
    Ok(outcome)
}

fn fingerprint(picture: &[u8], concept: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (picture, concept).hash(&mut hasher);
    hasher.finish()
}

struct Writer {
    folder: PathBuf,
    pack: PackWriter,
}

impl Writer {
    fn create(packs: &Path, name: &str) -> Result<Self, PackError> {
        let folder = packs.join(name);
        let pack = PackWriter::create(&folder).map_err(PackError::of(&folder))?;
        Ok(Self { folder, pack })
    }

    fn add(&mut self, picture: &[u8], record: &Record) -> Result<(), PackError> {
        self.pack
            .add(picture, record)
            .map_err(PackError::of(&self.folder))
    }

    fn finish(self) -> Result<(), PackError> {
        self.pack.finish().map_err(PackError::of(&self.folder))
    }
}

/// Renders the entries of one set.
struct Artist<'a> {
    packages: &'a Path,
    icons: Option<&'a IconFile>,
    wordnet: &'a WordNet,
}

impl Artist<'_> {
    fn picture(&self, entry: &CatalogueEntry) -> Result<(Vec<u8>, Record), SvgRenderError> {
        let picture = match &entry.artwork {
            Artwork::Icon(name) => {
                let document = self.icons.and_then(|icons| icons.svg(name));
                render::svg(&document.ok_or(SvgRenderError::Empty)?)?
            }
            Artwork::File(path) => {
                let file = fs::read(self.packages.join(path)).unwrap_or_default();
                if path.extension().is_some_and(|extension| extension == "svg") {
                    render::svg(&String::from_utf8_lossy(&file))?
                } else {
                    render::pixels(&file)?
                }
            }
        };
        let record = captions::record(entry, colors::dominant(&picture), self.wordnet);
        Ok((picture, record))
    }
}
