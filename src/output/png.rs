//! Pixels of an SVG, by resvg.

use resvg::{tiny_skia, usvg};

/// The longest side of a PNG in pixels: 16,384 x 16,384 pixels take 1 GiB while they are painted.
pub const LONGEST_SIDE: u32 = 16_384;

/// Why an SVG could not be turned into a PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The text is not an SVG document that resvg reads.
    #[error("the SVG cannot be read")]
    Unreadable(#[source] usvg::Error),
    /// The picture would have no pixel or too many.
    #[error(
        "a PNG of {width} x {height} pixels is not possible: each side must be 1 to {LONGEST_SIDE}"
    )]
    Size {
        /// Columns asked for.
        width: f32,
        /// Rows asked for.
        height: f32,
    },
    /// The encoder failed.
    #[error("the PNG cannot be encoded: {0}")]
    Encoding(String),
}

/// The size of a PNG in pixels: that of the drawing times `scale`, rounded.
///
/// # Errors
/// When a side would not be 1 to [`LONGEST_SIDE`] pixels.
pub fn png_size([width, height]: [f32; 2], scale: f32) -> Result<[u32; 2], PngError> {
    let (width, height) = (width * scale, height * scale);
    let side = |length: f32| {
        let pixels = length.round();
        let possible = (1.0..=LONGEST_SIDE as f32).contains(&pixels);
        possible
            .then_some(pixels as u32)
            .ok_or(PngError::Size { width, height })
    };
    Ok([side(width)?, side(height)?])
}

/// Paints an SVG document, `scale` pixels to one canvas pixel, and encodes it as a PNG.
///
/// # Errors
/// When the text is no SVG, or a side of the picture would not be 1 to [`LONGEST_SIDE`] pixels.
pub fn svg_to_png(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let tree =
        usvg::Tree::from_str(svg, &usvg::Options::default()).map_err(PngError::Unreadable)?;
    let [width, height] = png_size([tree.size().width(), tree.size().height()], scale)?;
    let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or(PngError::Size {
        width: width as f32,
        height: height as f32,
    })?;
    // Sides are rounded to whole pixels, and the drawing has to reach all of them.
    let transform = tiny_skia::Transform::from_scale(
        width as f32 / tree.size().width(),
        height as f32 / tree.size().height(),
    );
    resvg::render(&tree, transform, &mut pixels.as_mut());
    pixels
        .encode_png()
        .map_err(|cause| PngError::Encoding(cause.to_string()))
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
    fn a_scale_that_fits_no_whole_pixel_leaves_no_edge_open() {
        let pixels = tiny_skia::Pixmap::decode_png(&svg_to_png(RED, 1.17).unwrap()).unwrap();
        assert!(pixels.pixels().iter().all(|pixel| pixel.alpha() == 255));
    }

    #[test]
    fn impossible_sizes_and_texts_are_errors() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1.0e6] {
            assert!(matches!(svg_to_png(RED, scale), Err(PngError::Size { .. })));
        }
        assert!(matches!(
            svg_to_png("<html/>", 1.0),
            Err(PngError::Unreadable(_))
        ));
    }
}
