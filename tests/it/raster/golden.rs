//! Golden pictures, which may change only on purpose.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Rgb, Strokes};

use super::scenes;

/// Rounding to 8 bits may fall the other way on another machine.
const TOLERANCE: u8 = 1;

/// The pixels as 8-bit RGB, row by row.
fn bytes(picture: &Picture) -> Vec<u8> {
    let positions = (0..picture.height()).flat_map(|y| (0..picture.width()).map(move |x| (x, y)));
    positions
        .flat_map(|(x, y)| {
            let Rgb { red, green, blue } = Rgb::nearest(picture.pixel(x, y));
            [red, green, blue]
        })
        .collect()
}

fn write(path: &Path, canvas: &Canvas, bytes: &[u8]) {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, canvas.width, canvas.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(bytes)
        .unwrap();
}

fn read(path: &Path) -> Vec<u8> {
    let file = std::io::BufReader::new(File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    bytes.truncate(info.buffer_size());
    bytes
}

/// Compares a picture with the stored one called `name`; with `CLIPDRAW_UPDATE_GOLDEN=1` stores it.
fn compare(name: &str, strokes: &Strokes, canvas: &Canvas) {
    let stored = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    let actual = bytes(raster::paint(strokes, canvas).picture());
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for tests is no setting"
    )]
    if std::env::var("CLIPDRAW_UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        write(&stored, canvas, &actual);
    }
    let expected = read(&stored);
    assert_eq!(actual.len(), expected.len(), "{name} has another size");
    let difference: Vec<u8> = actual
        .iter()
        .zip(&expected)
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    let max = difference.iter().copied().max().unwrap_or(0);
    if max > TOLERANCE {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(&folder).unwrap();
        write(&folder.join(format!("actual-{name}")), canvas, &actual);
        let visible: Vec<u8> = difference
            .iter()
            .map(|step| step.saturating_mul(16))
            .collect();
        write(&folder.join(format!("difference-{name}")), canvas, &visible);
        panic!(
            "{name} differs by up to {max} of 255, see {}",
            folder.display()
        );
    }
}

#[test]
fn initial_strokes_look_as_stored() {
    let (strokes, canvas) = scenes::random(1, [1.0, 1.0], 1.0);
    compare("start.png", &strokes, &canvas);
}

#[test]
fn thick_and_long_strokes_look_as_stored() {
    let (strokes, canvas) = scenes::random(2, [0.5, 12.0], 3.0);
    compare("thick.png", &strokes, &canvas);
}

#[test]
fn hard_scenes_look_as_stored() {
    let mut all = Strokes::new();
    let canvas = Canvas {
        width: 222,
        height: 200,
        ..Canvas::default()
    };
    for (index, scene) in scenes::hard().iter().enumerate() {
        let offset = [(index % 3) as f32 * 74.0, (index / 3) as f32 * 66.0];
        for stroke in 0..scene.strokes.len() {
            let points = scene.strokes.points_of(stroke).iter();
            let moved: Vec<_> = points
                .map(|[x, y]| [x + offset[0], y + offset[1]])
                .collect();
            all.push(
                &moved,
                scene.strokes.half_widths[stroke],
                scene.strokes.colors[stroke],
            );
        }
    }
    compare("hard.png", &all, &canvas);
}
