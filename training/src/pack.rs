//! A pack: small pictures in one file, and a line of JSON for each of them in another.
//!
//! `pictures.rgba` contains the pictures one after another, [`SIDE`] rows of [`SIDE`] pixels of red,
//! green, blue and opacity, one byte each, with premultiplied alpha. Line `n` of `pictures.jsonl` is
//! the [`Record`] of picture `n`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Side of a picture in a pack, in pixels.
pub const SIDE: usize = 80;
/// Bytes of one picture.
pub const PICTURE_BYTES: usize = SIDE * SIDE * 4;

/// What a picture looks like, which decides how often it is shown and what may be done to its colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A flat or shaded emoji.
    Emoji,
    /// A colored icon.
    Icon,
    /// A picture in one color, stored black.
    Silhouette,
    /// Clip art.
    ClipArt,
    /// A three-dimensional rendering.
    Render,
    /// A photograph, cut out.
    Photo,
    /// A drawing made for this project.
    Drawing,
    /// Another picture painted again with the strokes that clipdraw draws with.
    Painting,
    /// Strokes that show nothing.
    Scribble,
}

/// What lies behind an object in a scene that is put together for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backdrop {
    /// Blue water all around, with bubbles.
    UnderWater,
    /// Waves below a sky.
    Sea,
    /// Grass below a blue sky.
    Meadow,
    /// Stars and perhaps a moon over dark ground.
    Night,
    /// White ground, falling flakes.
    Snow,
    /// Sand below a hot sky.
    Desert,
    /// Black, with stars.
    Space,
    /// A sky from yellow to purple with the sun at the horizon.
    Sunset,
    /// Sky and clouds.
    Sky,
    /// Trunks and green.
    Forest,
}

/// What a whole picture is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Soft colors that run, dark at their edges, on grainy paper.
    Watercolor,
    /// Grey lines where brightness changes.
    PencilSketch,
    /// Patches of even color.
    OilPainting,
    /// Few large squares.
    PixelArt,
    /// Bright lines on black.
    Neon,
    /// White lines on blue.
    Blueprint,
    /// Shades of grey.
    BlackAndWhite,
}

/// One picture of a pack and every caption that is true of it. Captions are lower case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The set that it comes from, such as `twemoji`.
    pub set: String,
    /// Its name in that set.
    pub name: String,
    /// What it looks like.
    pub style: Style,
    /// How often it is shown, beside others; 0 keeps it for tests.
    pub weight: f32,
    /// What it shows, with an article: `a sailboat`. Pictures of the same thing have the same concept.
    pub concept: String,
    /// Captions of the picture on a plain ground: the bare words, with an article, in a template.
    pub plain: Vec<String>,
    /// Other words for it, and words that go with it.
    pub keywords: Vec<String>,
    /// Captions of the object in front of a backdrop; empty where that makes no sense.
    pub scenes: Vec<(Backdrop, String)>,
    /// Captions of the picture after a filter.
    pub filtered: Vec<(Filter, String)>,
}

/// Writes a pack picture by picture.
#[derive(Debug)]
pub struct PackWriter {
    pictures: BufWriter<File>,
    records: BufWriter<File>,
}

impl PackWriter {
    /// Begins a pack in this folder, which is made; a pack that lies there is replaced.
    ///
    /// # Errors
    /// When the folder or its files cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = |path: PathBuf| File::create(path).map(BufWriter::new);
        Ok(Self {
            pictures: file(pictures_in(folder))?,
            records: file(records_in(folder))?,
        })
    }

    /// Adds a picture, [`PICTURE_BYTES`] long.
    ///
    /// # Errors
    /// When it cannot be written.
    ///
    /// # Panics
    /// When it has another length.
    pub fn add(&mut self, picture: &[u8], record: &Record) -> io::Result<()> {
        assert_eq!(
            picture.len(),
            PICTURE_BYTES,
            "a picture has {SIDE} x {SIDE} pixels"
        );
        self.pictures.write_all(picture)?;
        serde_json::to_writer(&mut self.records, record)?;
        self.records.write_all(b"\n")
    }

    /// Puts everything on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.pictures.flush()?;
        self.records.flush()
    }
}

/// A pack in memory.
#[derive(Debug)]
pub struct Pack {
    /// A line for each picture.
    pub records: Vec<Record>,
    pictures: Vec<u8>,
}

impl Pack {
    /// Reads the pack in this folder.
    ///
    /// # Errors
    /// When there is none, or its two files do not belong together.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let lines = BufReader::new(File::open(records_in(folder))?).lines();
        let records = lines
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect::<io::Result<Vec<_>>>()?;
        let pictures = fs::read(pictures_in(folder))?;
        if pictures.len() != records.len() * PICTURE_BYTES {
            let message = format!(
                "{} has {} bytes of pictures for {} records",
                folder.display(),
                pictures.len(),
                records.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Self { records, pictures })
    }

    /// Picture `index`: `[SIDE, SIDE, 4]`, the colors multiplied by the opacity.
    pub fn picture(&self, index: usize) -> &[u8] {
        &self.pictures[index * PICTURE_BYTES..(index + 1) * PICTURE_BYTES]
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

fn pictures_in(folder: &Path) -> PathBuf {
    folder.join("pictures.rgba")
}

fn records_in(folder: &Path) -> PathBuf {
    folder.join("pictures.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        Record {
            set: "own".to_owned(),
            name: name.to_owned(),
            style: Style::Drawing,
            weight: 1.0,
            concept: "a submarine".to_owned(),
            plain: vec!["a submarine".to_owned()],
            keywords: Vec::new(),
            scenes: vec![(Backdrop::UnderWater, "a submarine under water".to_owned())],
            filtered: vec![(Filter::PixelArt, "pixel art of a submarine".to_owned())],
        }
    }

    #[test]
    fn a_pack_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PackWriter::create(folder.path()).unwrap();
        for (value, name) in [(1, "one"), (2, "two")] {
            writer
                .add(&vec![value; PICTURE_BYTES], &record(name))
                .unwrap();
        }
        writer.finish().unwrap();
        let pack = Pack::open(folder.path()).unwrap();
        assert_eq!(pack.records, [record("one"), record("two")]);
        assert!(pack.picture(1).iter().all(|&byte| byte == 2));
    }

    #[test]
    fn a_pack_that_was_cut_off_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PackWriter::create(folder.path()).unwrap();
        writer.add(&vec![0; PICTURE_BYTES], &record("one")).unwrap();
        writer.finish().unwrap();
        fs::write(pictures_in(folder.path()), [0; 7]).unwrap();
        let error = Pack::open(folder.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has 7 bytes of pictures for 1 records")
        );
    }
}
