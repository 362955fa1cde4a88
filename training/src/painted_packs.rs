//! The packs of paintings and scribbles.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::pack::{Pack, Record, Style};
use super::packs::{self, ICONS, PAINTINGS, PackError, SCRIBBLES, SUBJECTS};
use super::painting;
use super::scribble::scribble;
use super::sources::sets::LOOKS;

/// Chooses which pictures are painted.
const SEED: u64 = 20;
/// Pictures with less weight are not painted.
const LEAST_WEIGHT: f32 = 0.45;
/// How often a painting is shown, beside the picture that it was made from.
const PAINTED_WEIGHT: f32 = 0.5;

/// Paints `count` pictures of the packs of icons and, if there is one, of subjects, those that have the
/// colors of what they show. When all have been painted, they are painted again, otherwise.
///
/// # Errors
/// When a pack cannot be read or that of paintings cannot be written.
pub fn paint(training: &Path, count: usize) -> Result<usize, PackError> {
    let folder = packs::folder(training);
    let mut originals = Vec::new();
    for name in [ICONS, SUBJECTS] {
        let pack = folder.join(name);
        if name == ICONS || pack.exists() {
            originals.push(Pack::open(&pack).map_err(PackError::of(&pack))?);
        }
    }
    let mut chosen: Vec<(&Pack, usize)> = originals
        .iter()
        .flat_map(|pack| (0..pack.len()).map(move |index| (pack, index)))
        .filter(|&(pack, index)| is_worth_painting(&pack.records[index]))
        .collect();
    chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let chosen: Vec<_> = chosen.into_iter().cycle().take(count).enumerate().collect();
    packs::write(
        &folder.join(PAINTINGS),
        &chosen,
        |&(number, (pack, index))| {
            let picture = painting::paint(pack.picture(index), number as u64);
            Ok((picture, painted(&pack.records[index])))
        },
    )?;
    Ok(chosen.len())
}

/// Scribbles `count` pictures.
///
/// # Errors
/// When the pack cannot be written.
pub fn scribbles(training: &Path, count: usize) -> Result<(), PackError> {
    let numbers: Vec<usize> = (0..count).collect();
    let folder = packs::folder(training).join(SCRIBBLES);
    packs::write(&folder, &numbers, |&number| Ok(scribble(number)))
}

/// Whether a picture is called a drawing of something, as those in true colors are, and is no face or
/// symbol.
pub(super) fn is_worth_painting(record: &Record) -> bool {
    let drawing = record
        .plain
        .iter()
        .any(|caption| caption.starts_with("a drawing of "));
    drawing && record.weight >= LEAST_WEIGHT
}

/// The record of a picture after it is painted: it looks like a painting now, and not like an emoji.
fn painted(record: &Record) -> Record {
    let looks_otherwise = |caption: &String| {
        LOOKS.iter().copied().flatten().any(|look| {
            let beginning = look.split("{}").next().unwrap_or_default();
            !beginning.is_empty() && caption.starts_with(beginning)
        })
    };
    let mut plain = record.plain.clone();
    plain.retain(|caption| !looks_otherwise(caption));
    plain.push(format!("a painting of {}", record.concept));
    Record {
        style: Style::Painting,
        weight: PAINTED_WEIGHT * record.weight,
        plain,
        filtered: Vec::new(),
        ..record.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::{Filter, PICTURE_BYTES, PackWriter};
    use super::*;

    fn record(style: Style, weight: f32) -> Record {
        Record {
            set: "own".to_owned(),
            name: "cat".to_owned(),
            style,
            weight,
            concept: "a cat".to_owned(),
            plain: ["a cat", "a drawing of a cat", "an emoji of a cat"]
                .map(str::to_owned)
                .to_vec(),
            keywords: Vec::new(),
            scenes: Vec::new(),
            filtered: vec![(Filter::Neon, "a neon sign of a cat".to_owned())],
        }
    }

    #[test]
    fn a_painting_is_no_longer_called_an_emoji() {
        let painted = painted(&record(Style::Emoji, 1.0));
        assert_eq!(
            painted.plain,
            ["a cat", "a drawing of a cat", "a painting of a cat"]
        );
        assert_eq!(painted.style, Style::Painting);
        assert!(painted.filtered.is_empty());
    }

    #[test]
    fn only_pictures_in_true_colors_are_painted() {
        let folder = tempfile::tempdir().unwrap();
        let icons = folder.path().join("packs").join(ICONS);
        let mut pack = PackWriter::create(&icons).unwrap();
        let mut silhouette = record(Style::Silhouette, 0.4);
        silhouette.plain = vec!["a silhouette of a cat".to_owned()];
        let red = [200, 30, 30, 255].repeat(PICTURE_BYTES / 4);
        pack.add(&red, &record(Style::Emoji, 1.0)).unwrap();
        pack.add(&red, &silhouette).unwrap();
        pack.finish().unwrap();
        assert_eq!(paint(folder.path(), 2).unwrap(), 2);
        scribbles(folder.path(), 5).unwrap();
        let paintings = Pack::open(&folder.path().join("packs").join(PAINTINGS)).unwrap();
        assert_eq!(paintings.records[0], paintings.records[1]);
        assert_ne!(paintings.picture(0), paintings.picture(1));
        assert_eq!(
            Pack::open(&folder.path().join("packs").join(SCRIBBLES))
                .unwrap()
                .len(),
            5
        );
    }
}
