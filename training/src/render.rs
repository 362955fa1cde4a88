//! Renders SVG documents and photographs as pictures of a pack.

use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbaImage;
use image::imageops::{self, FilterType};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Rect, Tree};

use super::pack::{PICTURE_BYTES, SIDE};

/// The longer side of what is drawn, in pixels; the rest of a picture is margin.
const DRAWN: f32 = 76.0;
/// Less opacity than this is not seen.
const VISIBLE: u8 = 8;
/// Pictures with less paint than this many opaque pixels are empty.
const LEAST_PAINT: u64 = 40;

/// A picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SvgRenderError {
    /// The document is not an SVG that resvg reads.
    #[error("this is no SVG document that can be rendered")]
    Document(#[from] resvg::usvg::Error),
    /// The renderer panicked in the middle of a document.
    #[error("the renderer panicked")]
    Panicked,
    /// The file holds no pixels that can be read.
    #[error("this is no picture that can be read")]
    Pixels(#[from] image::ImageError),
    /// The picture shows nothing.
    #[error("the picture is empty")]
    Empty,
}

/// Renders a document: cropped to what is drawn, centred, [`PICTURE_BYTES`] long.
///
/// # Errors
/// When it is malformed, shows nothing or makes the renderer panic.
pub fn svg(document: &str) -> Result<Vec<u8>, SvgRenderError> {
    guarded(|| cropped(document))
}

/// Renders the whole page of a document, its longer side as long as the picture.
///
/// # Errors
/// As [`svg`].
pub fn svg_page(document: &str) -> Result<Vec<u8>, SvgRenderError> {
    guarded(|| {
        let tree = Tree::from_str(document, &Options::default())?;
        let page = page(&tree).ok_or(SvgRenderError::Empty)?;
        enough_paint(paint(&tree, page, SIDE as f32)?.take())
    })
}

fn guarded(
    render: impl Fn() -> Result<Vec<u8>, SvgRenderError>,
) -> Result<Vec<u8>, SvgRenderError> {
    catch_unwind(AssertUnwindSafe(render)).unwrap_or(Err(SvgRenderError::Panicked))
}

fn page(tree: &Tree) -> Option<Rect> {
    Rect::from_xywh(0.0, 0.0, tree.size().width(), tree.size().height())
}

fn cropped(document: &str) -> Result<Vec<u8>, SvgRenderError> {
    let tree = Tree::from_str(document, &Options::default())?;
    let layer = tree.root().abs_layer_bounding_box().to_rect();
    let region = page(&tree)
        .and_then(|page| common(page, layer))
        .ok_or(SvgRenderError::Empty)?;
    // What is hidden by clips or lies outside the page counts in the layer's box, so the pixels are examined.
    let coarse = paint(&tree, region, DRAWN)?;
    let [left, top, right, bottom] = drawn_box(coarse.data()).ok_or(SvgRenderError::Empty)?;
    let scale = region.width().max(region.height()) / DRAWN;
    let margin = |length: f32| (SIDE as f32 * scale - length) / 2.0;
    let (x, y) = (
        region.x() - margin(region.width()),
        region.y() - margin(region.height()),
    );
    let drawn = Rect::from_ltrb(
        x + left as f32 * scale,
        y + top as f32 * scale,
        x + right as f32 * scale,
        y + bottom as f32 * scale,
    );
    let picture = paint(&tree, drawn.ok_or(SvgRenderError::Empty)?, DRAWN)?.take();
    enough_paint(picture)
}

fn common(page: Rect, layer: Rect) -> Option<Rect> {
    Rect::from_ltrb(
        page.left().max(layer.left()),
        page.top().max(layer.top()),
        page.right().min(layer.right()),
        page.bottom().min(layer.bottom()),
    )
}

/// Renders a region of a document in the middle of a picture, its longer side `side_drawn` pixels long.
fn paint(tree: &Tree, region: Rect, side_drawn: f32) -> Result<Pixmap, SvgRenderError> {
    let side = SIDE as u32;
    let mut pixels = Pixmap::new(side, side).ok_or(SvgRenderError::Empty)?;
    let longer = region.width().max(region.height());
    if longer <= 0.0 {
        return Err(SvgRenderError::Empty);
    }
    let scale = side_drawn / longer;
    let middle = SIDE as f32 / 2.0;
    let x = middle - scale * (region.x() + region.width() / 2.0);
    let y = middle - scale * (region.y() + region.height() / 2.0);
    let transform = Transform::from_row(scale, 0.0, 0.0, scale, x, y);
    resvg::render(tree, transform, &mut pixels.as_mut());
    Ok(pixels)
}

/// The columns and rows between which there is paint: left, top, right and bottom, the last two exclusive.
fn drawn_box(picture: &[u8]) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for (index, pixel) in picture.as_chunks::<4>().0.iter().enumerate() {
        if pixel[3] >= VISIBLE {
            let (x, y) = (index % SIDE, index / SIDE);
            let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
            found = Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]);
        }
    }
    found
}

fn enough_paint(picture: Vec<u8>) -> Result<Vec<u8>, SvgRenderError> {
    let opacity: u64 = picture
        .iter()
        .skip(3)
        .step_by(4)
        .map(|&o| u64::from(o))
        .sum();
    if opacity < 255 * LEAST_PAINT {
        return Err(SvgRenderError::Empty);
    }
    Ok(picture)
}

/// Scales a PNG, JPEG or WebP: cropped to what is not transparent, centred, [`PICTURE_BYTES`] long.
///
/// # Errors
/// When it cannot be read or shows nothing.
pub fn pixels(file: &[u8]) -> Result<Vec<u8>, SvgRenderError> {
    let reader = image::ImageReader::new(Cursor::new(file)).with_guessed_format();
    let mut picture = reader
        .map_err(|error: io::Error| SvgRenderError::Pixels(error.into()))?
        .decode()?
        .into_rgba8();
    // Transparent pixels may have any color: it must not bleed into their neighbours.
    for pixel in picture.pixels_mut() {
        *pixel = image::Rgba(premultiplied(pixel.0));
    }
    let [left, top, right, bottom] = visible_box(&picture).ok_or(SvgRenderError::Empty)?;
    let (width, height) = (right - left, bottom - top);
    let cropped = imageops::crop_imm(&picture, left, top, width, height).to_image();
    let scale = DRAWN / width.max(height) as f32;
    let scaled = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let (width, height) = (scaled(width), scaled(height));
    let small = imageops::resize(&cropped, width, height, FilterType::Triangle);
    let side = SIDE as u32;
    let mut page = RgbaImage::new(side, side);
    let (x, y) = ((side - width) / 2, (side - height) / 2);
    imageops::replace(&mut page, &small, i64::from(x), i64::from(y));
    let mut bytes = page.into_raw();
    debug_assert_eq!(bytes.len(), PICTURE_BYTES);
    for pixel in bytes.as_chunks_mut::<4>().0 {
        let opacity = pixel[3];
        pixel[..3]
            .iter_mut()
            .for_each(|channel| *channel = (*channel).min(opacity));
    }
    enough_paint(bytes)
}

/// Colors multiplied by the opacity.
fn premultiplied([red, green, blue, opacity]: [u8; 4]) -> [u8; 4] {
    let times = |channel: u8| ((u16::from(channel) * u16::from(opacity) + 127) / 255) as u8;
    [times(red), times(green), times(blue), opacity]
}

fn visible_box(picture: &RgbaImage) -> Option<[u32; 4]> {
    let mut found: Option<[u32; 4]> = None;
    for (x, y, pixel) in picture.enumerate_pixels() {
        if pixel.0[3] >= VISIBLE {
            let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
            found = Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(picture: &[u8], x: usize, y: usize) -> [u8; 4] {
        picture.as_chunks::<4>().0[y * SIDE + x]
    }

    #[test]
    fn a_drawing_fills_the_picture_wherever_it_lay_on_its_page() {
        let document = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
            <rect x="60" y="70" width="20" height="10" fill="#f00" fill-opacity="0.5"/></svg>"##;
        let picture = svg(document).unwrap();
        assert_eq!(picture.len(), PICTURE_BYTES);
        assert_eq!(pixel(&picture, 40, 40), [128, 0, 0, 128]);
        assert_eq!(pixel(&picture, 4, 40), [128, 0, 0, 128]);
        assert_eq!(pixel(&picture, 75, 40)[3], 128);
        assert_eq!(pixel(&picture, 40, 10), [0; 4]);
    }

    #[test]
    fn what_lies_outside_the_page_or_a_clip_is_not_the_drawing() {
        let document = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">
            <clipPath id="c"><rect x="10" y="10" width="20" height="20"/></clipPath>
            <g clip-path="url(#c)"><rect x="-500" width="1000" height="1000" fill="#00f"/></g></svg>"##;
        let picture = svg(document).unwrap();
        assert_eq!(pixel(&picture, 5, 40), [0, 0, 255, 255]);
        assert_eq!(pixel(&picture, 74, 40), [0, 0, 255, 255]);
    }

    #[test]
    fn an_empty_page_is_refused() {
        let empty = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path/></svg>"#;
        assert!(matches!(svg(empty), Err(SvgRenderError::Empty)));
        assert!(matches!(svg("no svg"), Err(SvgRenderError::Document(_))));
        assert!(matches!(
            pixels(b"no picture"),
            Err(SvgRenderError::Pixels(_))
        ));
    }

    #[test]
    fn a_cut_out_photograph_is_cropped_and_multiplied_by_its_opacity() {
        let mut photo = RgbaImage::from_pixel(200, 100, image::Rgba([255, 255, 255, 0]));
        for (x, y) in (50..150).flat_map(|x| (20..40).map(move |y| (x, y))) {
            photo.put_pixel(x, y, image::Rgba([200, 100, 0, 128]));
        }
        let mut file = Cursor::new(Vec::new());
        photo.write_to(&mut file, image::ImageFormat::Png).unwrap();
        let picture = pixels(file.get_ref()).unwrap();
        assert_eq!(pixel(&picture, 40, 40), [100, 50, 0, 128]);
        assert_eq!(pixel(&picture, 3, 40)[3], 128);
        assert_eq!(pixel(&picture, 40, 25), [0; 4]);
    }
}
