//! PNG: the pixels of the SVG, painted by resvg.

use resvg::{tiny_skia, usvg};

use super::descriptor::{Contents, Format, SizeFactors};
use super::error::{EncodeError, MAX_PNG_SIDE};
use super::svg::write_svg;
use crate::scene::Canvas;

/// Tenths of a byte that one stroke adds to a file for each pixel of the canvas's longer side.
/// Measured: 5 to 15.
const STROKE_SIZE: u64 = 16;

/// Tenths of a byte of one pixel in a file that is full of strokes. Measured: 31.
const PIXEL_SIZE: u64 = 32;

/// The bytes of a file besides its pixels, with a margin.
const BASE_SIZE: u64 = 2_500;

/// PNG.
pub(super) const FORMAT: Format = Format {
    extension: "png",
    media_type: "image/png",
    check_size,
    encode,
    estimate_bytes,
};

fn check_size(canvas: &Canvas, scale: f32) -> Result<(), EncodeError> {
    png_size([canvas.width as f32, canvas.height as f32], scale).map(|_| ())
}

fn encode(contents: &Contents<'_>, scale: f32) -> Result<Vec<u8>, EncodeError> {
    let svg = write_svg(contents.strokes, contents.canvas, contents.metadata);
    svg_to_png(&svg, scale)
}

fn estimate_bytes(factors: &SizeFactors<'_>) -> u64 {
    let [width, height] = [factors.canvas.width, factors.canvas.height].map(u64::from);
    let sparse = STROKE_SIZE * factors.strokes as u64 * width.max(height);
    BASE_SIZE + sparse.min(PIXEL_SIZE * width * height) / 10
}

/// The size of a PNG in pixels: that of the drawing times `scale`, rounded.
///
/// # Errors
/// When a side would not be 1 to [`MAX_PNG_SIDE`] pixels.
pub fn png_size([width, height]: [f32; 2], scale: f32) -> Result<[u32; 2], EncodeError> {
    let (width, height) = (width * scale, height * scale);
    let side = |length: f32| {
        let pixels = length.round();
        let possible = (1.0..=MAX_PNG_SIDE as f32).contains(&pixels);
        possible
            .then_some(pixels as u32)
            .ok_or(EncodeError::PngSize { width, height })
    };
    Ok([side(width)?, side(height)?])
}

/// Paints an SVG document, `scale` pixels to one canvas pixel, and encodes it as a PNG.
///
/// # Errors
/// When the text is not an SVG, or a side of the picture would not be 1 to [`MAX_PNG_SIDE`] pixels.
pub fn svg_to_png(svg: &str, scale: f32) -> Result<Vec<u8>, EncodeError> {
    let tree = read(svg)?;
    let size = png_size([tree.size().width(), tree.size().height()], scale)?;
    let mut pixels = transparent_pixels(size)?;
    paint(&tree, &mut pixels);
    encode_pixels(&pixels)
}

/// A picture of this width and height, in which nothing is painted.
///
/// # Errors
/// When a side has no pixels or too many.
pub(in crate::output) fn transparent_pixels(
    [width, height]: [u32; 2],
) -> Result<tiny_skia::Pixmap, EncodeError> {
    tiny_skia::Pixmap::new(width, height).ok_or(EncodeError::PngSize {
        width: width as f32,
        height: height as f32,
    })
}

/// A picture as a PNG.
///
/// # Errors
/// When the encoder fails.
pub(in crate::output) fn encode_pixels(pixels: &tiny_skia::Pixmap) -> Result<Vec<u8>, EncodeError> {
    pixels
        .encode_png()
        .map_err(|cause| EncodeError::PngEncoder(cause.to_string()))
}

/// Paints an SVG document over a picture, as large as the picture is.
///
/// # Errors
/// When the text is not an SVG.
pub(in crate::output) fn paint_over(
    svg: &str,
    pixels: &mut tiny_skia::Pixmap,
) -> Result<(), EncodeError> {
    paint(&read(svg)?, pixels);
    Ok(())
}

fn read(svg: &str) -> Result<usvg::Tree, EncodeError> {
    usvg::Tree::from_str(svg, &usvg::Options::default()).map_err(EncodeError::UnreadableSvg)
}

fn paint(tree: &usvg::Tree, pixels: &mut tiny_skia::Pixmap) {
    // Sides are rounded to whole pixels, and the drawing has to cover all of them.
    let transform = tiny_skia::Transform::from_scale(
        pixels.width() as f32 / tree.size().width(),
        pixels.height() as f32 / tree.size().height(),
    );
    resvg::render(tree, transform, &mut pixels.as_mut());
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"><rect width="3" height="2" fill="#f00"/></svg>"##;

    #[test]
    fn a_scale_multiplies_both_sides() {
        let bytes = svg_to_png(RED, 4.0).unwrap();
        let pixels = tiny_skia::Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (12, 8));
        let color = pixels.pixel(5, 5).unwrap();
        assert_eq!((color.red(), color.green(), color.alpha()), (255, 0, 255));
    }

    #[test]
    fn a_fractional_scale_leaves_no_transparent_edge() {
        let pixels = tiny_skia::Pixmap::decode_png(&svg_to_png(RED, 1.17).unwrap()).unwrap();
        assert!(pixels.pixels().iter().all(|pixel| pixel.alpha() == 255));
    }

    #[test]
    fn impossible_sizes_and_unreadable_texts_are_errors() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1.0e6] {
            assert!(matches!(
                svg_to_png(RED, scale),
                Err(EncodeError::PngSize { .. })
            ));
        }
        assert!(matches!(
            svg_to_png("<html/>", 1.0),
            Err(EncodeError::UnreadableSvg(_))
        ));
    }
}
