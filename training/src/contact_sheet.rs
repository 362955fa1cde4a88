//! Contact sheets: pictures of a pack side by side, for inspection.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use image::{Rgb, RgbImage};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::pack::{Pack, SIDE};
use super::packs::PackError;

/// Pictures of each set.
const COLUMNS: usize = 20;

/// Writes a picture with a row for each set of a pack, on white, and the concepts in a text file of the
/// same name.
///
/// # Errors
/// When the pack cannot be read or the files cannot be written.
pub fn write(pack_folder: &Path, sheet: &Path, seed: u64) -> Result<(), PackError> {
    let pack = Pack::open(pack_folder).map_err(PackError::of(pack_folder))?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sets: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, record) in pack.records.iter().enumerate() {
        sets.entry(&record.set).or_default().push(index);
    }
    let (width, height) = (COLUMNS * SIDE, sets.len() * SIDE);
    let mut pixels = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    let mut concepts = String::new();
    for (row, (set, pictures)) in sets.iter().enumerate() {
        let chosen: Vec<usize> = pictures
            .choose_multiple(&mut random, COLUMNS)
            .copied()
            .collect();
        for (column, &index) in chosen.iter().enumerate() {
            lay(
                &mut pixels,
                pack.picture(index),
                [column * SIDE, row * SIDE],
            );
        }
        let names = chosen
            .iter()
            .map(|&index| pack.records[index].concept.as_str());
        let names: Vec<&str> = names.collect();
        writeln!(concepts, "{set}: {}", names.join(", ")).expect("memory can be written to");
    }
    let save = pixels.save_with_format(sheet, image::ImageFormat::Png);
    save.map_err(io::Error::other)
        .map_err(PackError::writing(sheet))?;
    let text = sheet.with_extension("txt");
    fs::write(&text, concepts).map_err(PackError::writing(&text))
}

fn lay(pixels: &mut RgbImage, picture: &[u8], [left, top]: [usize; 2]) {
    for (index, &[red, green, blue, opacity]) in picture.as_chunks::<4>().0.iter().enumerate() {
        let (x, y) = (left + index % SIDE, top + index / SIDE);
        let on_white = [red, green, blue].map(|channel| channel.saturating_add(255 - opacity));
        pixels.put_pixel(x as u32, y as u32, Rgb(on_white));
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::{PICTURE_BYTES, PackWriter};
    use super::super::scribble::scribble;
    use super::*;

    #[test]
    fn every_set_has_a_row_and_every_picture_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut pack = PackWriter::create(folder.path()).unwrap();
        let (_, mut record) = scribble(0);
        for set in ["one", "two"] {
            set.clone_into(&mut record.set);
            pack.add(&vec![0; PICTURE_BYTES], &record).unwrap();
        }
        pack.finish().unwrap();
        let sheet = folder.path().join("sheet.png");
        write(folder.path(), &sheet, 1).unwrap();
        let pixels = image::open(&sheet).unwrap().into_rgb8();
        assert_eq!(pixels.dimensions(), (20 * SIDE as u32, 2 * SIDE as u32));
        assert_eq!(pixels.get_pixel(0, 0).0, [255; 3]);
        let names = fs::read_to_string(sheet.with_extension("txt")).unwrap();
        assert_eq!(names, "one: a scribble\ntwo: a scribble\n");
    }
}
