//! The optimizer sees what a browser shows: Chromium paints an exported SVG, and its pixels are compared with
//! those of the rasterizer and of resvg.

use std::path::PathBuf;

use clipdraw::output::{Metadata, svg_to_png, write_svg};
use clipdraw::render::cpu::raster::paint;
use clipdraw::scene::start::random_strokes;
use clipdraw::scene::{Canvas, Picture, Strokes};
use tiny_skia::Pixmap;

use crate::support::devtools::{Page, browser};

fn scene() -> Strokes {
    let mut strokes = random_strokes(&Canvas::default(), 64, 3);
    for (index, half_width) in strokes.half_widths.iter_mut().enumerate() {
        *half_width = 1.0 + (index % 12) as f32;
    }
    // A dot, a sharp turn and a loop.
    strokes.push(&[[40.0, 40.0]; 4], 9.0, [0.9, 0.1, 0.1, 0.7]);
    strokes.push(
        &[[60.0, 180.0], [120.0, 180.0], [120.0, 183.0], [60.0, 186.0]],
        5.0,
        [0.1, 0.1, 0.9, 0.5],
    );
    strokes.push(
        &[
            [140.0, 180.0],
            [220.0, 100.0],
            [100.0, 100.0],
            [180.0, 180.0],
        ],
        6.0,
        [0.1, 0.6, 0.1, 0.5],
    );
    strokes
}

async fn screenshot(browser: PathBuf, svg: &str) -> Pixmap {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drawing.svg");
    std::fs::write(&file, svg).unwrap();
    let url = format!("file://{}", file.display());
    let page = Page::open_sized(browser, &url, [224, 224]).await;
    Pixmap::decode_png(&page.screenshot().await).unwrap()
}

fn difference(picture: &Picture, pixels: &Pixmap) -> f64 {
    assert!(
        pixels.width() >= 224 && pixels.height() >= 224,
        "{} x {}",
        pixels.width(),
        pixels.height()
    );
    let mut squares = 0.0;
    for y in 0..224 {
        for x in 0..224 {
            let pixel = pixels.pixel(x as u32, y as u32).unwrap();
            let shown = [pixel.red(), pixel.green(), pixel.blue()]
                .map(|channel| f64::from(channel) / 255.0);
            let seen = picture.pixel(x, y);
            squares += (0..3)
                .map(|channel| (shown[channel] - f64::from(seen[channel])).powi(2))
                .sum::<f64>();
        }
    }
    (squares / (3.0 * 224.0 * 224.0)).sqrt()
}

#[tokio::test]
async fn a_browser_and_resvg_show_what_the_optimizer_sees() {
    let metadata = Metadata {
        title: "a < b & \"c\"".to_owned(),
        provenance: "{}".to_owned(),
    };
    let (strokes, canvas) = (scene(), Canvas::default());
    let svg = write_svg(&strokes, &canvas, &metadata);
    let painting = paint(&strokes, &canvas);
    let by_resvg = Pixmap::decode_png(&svg_to_png(&svg, 1.0).unwrap()).unwrap();
    let from_resvg = difference(painting.picture(), &by_resvg);
    assert!(from_resvg < 0.015, "resvg differs by {from_resvg:.4}");
    let Some(browser) = browser() else { return };
    let from_browser = difference(painting.picture(), &screenshot(browser, &svg).await);
    assert!(
        from_browser < 0.015,
        "the browser differs by {from_browser:.4}"
    );
}
