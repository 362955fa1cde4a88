//! Pictures, compared with those of an SVG viewer for the same strokes.

use clipdraw::output::{Metadata, svg_to_png, write_svg};
use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Strokes};

use super::picture::{RANDOM, root_mean_square};
use super::{reference, scenes};

/// The exported SVG, rendered by resvg.
fn show(strokes: &Strokes, canvas: &Canvas) -> Picture {
    let metadata = Metadata {
        title: String::new(),
        provenance: String::new(),
    };
    let png = svg_to_png(&write_svg(strokes, canvas, &metadata), 1.0).unwrap();
    let pixels = tiny_skia::Pixmap::decode_png(&png).unwrap();
    let channel = |pick: fn(tiny_skia::PremultipliedColorU8) -> u8| {
        pixels
            .pixels()
            .iter()
            .map(move |pixel| f32::from(pick(*pixel)) / 255.0)
    };
    let red = channel(tiny_skia::PremultipliedColorU8::red);
    let green = channel(tiny_skia::PremultipliedColorU8::green);
    let blue = channel(tiny_skia::PremultipliedColorU8::blue);
    let values = red.chain(green).chain(blue).collect();
    Picture::new(canvas.width as usize, canvas.height as usize, values)
}

#[test]
fn random_strokes_look_as_in_an_svg_viewer() {
    for (seed, widths, stretch) in RANDOM.into_iter().filter(|(_, widths, _)| widths[1] > 1.0) {
        let (strokes, canvas) = scenes::random(seed, widths, stretch);
        let painting = raster::paint(&strokes, &canvas);
        let error = root_mean_square(painting.picture(), &show(&strokes, &canvas));
        assert!(
            error <= 0.015,
            "seed {seed}, half widths {widths:?}: {error:.5}"
        );
    }
}

/// The viewer has few samples of its own: thin strokes are 0.02 away from the truth in it.
#[test]
fn an_svg_viewer_is_as_close_to_the_picture_as_to_one_with_many_samples() {
    for (seed, widths, stretch) in RANDOM {
        let (strokes, canvas) = scenes::random(seed, widths, stretch);
        let (painting, shown) = (raster::paint(&strokes, &canvas), show(&strokes, &canvas));
        let error = root_mean_square(painting.picture(), &shown);
        let reference_error = root_mean_square(&reference::picture(&strokes, &canvas, 16), &shown);
        assert!(
            error <= reference_error + 0.001,
            "seed {seed}: {error:.5}, the reference {reference_error:.5}"
        );
    }
}

#[test]
fn a_stroke_of_no_length_is_a_dot_as_in_an_svg_viewer() {
    let canvas = Canvas::default();
    let mut strokes = Strokes::new();
    strokes.push(&[[100.3, 80.6]; 4], 12.0, [0.0, 0.0, 0.0, 1.0]);
    let painting = raster::paint(&strokes, &canvas);
    let error = root_mean_square(painting.picture(), &show(&strokes, &canvas));
    assert!(error <= 0.005, "{error:.5}");
}
