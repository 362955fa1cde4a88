//! The packs in the work folder: their names and their errors.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::pack::{PackWriter, Record};
use super::render::SvgRenderError;
use super::sources::SourceError;

/// Pictures of packages that are learned from.
pub const ICONS: &str = "icons";
/// Pictures of held-out styles.
pub const TESTS: &str = "tests";
/// Drawings made for this project.
pub const SUBJECTS: &str = "subjects";
/// Pictures painted again with strokes.
pub const PAINTINGS: &str = "paintings";
/// Strokes that show nothing.
pub const SCRIBBLES: &str = "scribbles";
/// The list of sources, beside the packs.
pub const MANIFEST: &str = "MANIFEST.json";

/// Pictures made before they are written.
const BATCH: usize = 256;

/// A pack cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A package is not what it should be.
    #[error(transparent)]
    PictureSource(#[from] SourceError),
    /// A pack cannot be written or read.
    #[error("the pack {} cannot be used", pack.display())]
    Pack {
        /// Its folder.
        pack: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A drawing made for this project cannot be rendered.
    #[error("{} cannot be rendered", drawing.display())]
    Drawing {
        /// Its file.
        drawing: PathBuf,
        /// Why not.
        source: SvgRenderError,
    },
    /// A picture for looking at, or the credits, cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PackError {
    /// Adds the pack that could not be used.
    pub fn of(pack: &Path) -> impl Fn(io::Error) -> Self {
        let pack = pack.to_owned();
        move |source| Self::Pack {
            pack: pack.clone(),
            source,
        }
    }

    /// Adds the file that could not be written.
    pub fn writing(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write {
            path: path.clone(),
            source,
        }
    }
}

/// Where the packs of a folder of training are.
pub fn folder(training: &Path) -> PathBuf {
    training.join("packs")
}

/// Writes a pack of what `picture` makes of each subject, on all cores, in order.
///
/// # Errors
/// When the pack cannot be written, or a picture cannot be made.
pub fn write<T: Sync>(
    pack: &Path,
    subjects: &[T],
    picture: impl Fn(&T) -> Result<(Vec<u8>, Record), PackError> + Sync,
) -> Result<(), PackError> {
    let mut writer = PackWriter::create(pack).map_err(PackError::of(pack))?;
    for batch in subjects.chunks(BATCH) {
        let pictures: Vec<_> = batch.par_iter().map(&picture).collect();
        for picture in pictures {
            let (picture, record) = picture?;
            writer.add(&picture, &record).map_err(PackError::of(pack))?;
        }
    }
    writer.finish().map_err(PackError::of(pack))
}
