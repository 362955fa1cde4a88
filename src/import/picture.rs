//! Pictures as pixels: PNG, JPEG, WebP, and SVG.

use std::fmt;
use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use resvg::{tiny_skia, usvg};

use super::bounded::MAX_COORDINATE;
use super::changes::Changes;
use super::document;
use super::gamma;
use super::jpeg;
use super::painting_cost;
use super::style;
use super::svg_error::SvgError;
use crate::scene::{Picture, Rgb};

/// The maximum number of pixels of a picture.
pub const MAX_PICTURE_PIXELS: u64 = 1 << 24;

/// The maximum memory of a decoder, in bytes.
const MAX_DECODER_BYTES: u64 = 1 << 28;

/// The shorter side of an SVG that is painted, in pixels, if it is at most twice as long as wide.
const SVG_SIDE: f32 = 512.0;

/// The maximum number of pixels of an SVG that is painted.
const MAX_SVG_PIXELS: f32 = 2.0 * SVG_SIDE * SVG_SIDE;

/// The maximum length of a side of an SVG that is painted, in pixels.
const MAX_SVG_SIDE: f32 = 4096.0;

/// Why a picture cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// It is none of the formats.
    #[error("it is not a PNG, JPEG, WebP or SVG")]
    UnknownFormat,
    /// It has too many pixels.
    #[error("the picture has {width} x {height} pixels; at most {MAX_PICTURE_PIXELS} are allowed")]
    TooManyPixels {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// It is a picture in another format.
    #[error("its format is {0}; only PNG, JPEG, WebP and SVG are read")]
    OtherFormat(&'static str),
    /// It is damaged, or needs too much memory.
    #[error("the {format} cannot be decoded")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What the decoder says.
        #[source]
        cause: image::ImageError,
    },
    /// The end of a JPEG is missing.
    #[error("the JPEG is incomplete: its end is missing")]
    Incomplete,
    /// The SVG cannot be used.
    #[error(transparent)]
    Svg(#[from] SvgError),
    /// The SVG has filters, which could take very long to paint.
    #[error("the SVG has filters, which are not painted")]
    Filters,
    /// A shape of the SVG is too far away or too large.
    #[error("the SVG has a shape that is much larger than the picture")]
    HugeShape,
    /// Painting the shapes of the SVG would take too long.
    #[error(
        "painting the SVG would take too long; it has too many large shapes, layers, long edges or dashes"
    )]
    LongPainting,
}

/// Pixels `[C, H, W]`, `C` being 3, or 4 with opacity: planes in the order red, green, blue, opacity, rows from the top, values
/// 0 to 255 in sRGB, straight (not premultiplied).
#[derive(Clone, PartialEq, Eq)]
pub struct DecodedPicture {
    /// The width in pixels, at least 1.
    pub width: usize,
    /// The height in pixels, at least 1.
    pub height: usize,
    /// The number of planes, 3 or 4.
    pub channels: usize,
    /// All values, plane by plane.
    pub values: Vec<u8>,
    /// What was left out, in lines.
    pub notes: Vec<String>,
}

impl fmt::Debug for DecodedPicture {
    /// Shows no pixels.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DecodedPicture")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl DecodedPicture {
    /// From pixels of four bytes: red, green, blue and opacity.
    fn from_rgba(width: u32, height: u32, pixels: &[u8]) -> Self {
        let is_opaque = pixels.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX);
        let channels = if is_opaque { 3 } else { 4 };
        let values = (0..channels)
            .flat_map(|channel| pixels.iter().skip(channel).step_by(4).copied())
            .collect();
        Self {
            width: width as usize,
            height: height as usize,
            channels,
            values,
            notes: Vec::new(),
        }
    }

    /// The value of a channel in column `x` of row `y`.
    pub fn value(&self, channel: usize, x: usize, y: usize) -> u8 {
        self.values[(channel * self.height + y) * self.width + x]
    }

    /// The picture at a fraction of its size, `1 / n`, for the largest whole number n that leaves its shorter side at least
    /// `side` pixels. Each pixel is the mean of `n * n` pixels; those that are left over at the right and at the bottom are
    /// dropped.
    #[must_use]
    pub fn reduced(self, side: usize) -> Self {
        let factor = self.width.min(self.height) / side.max(1);
        if factor < 2 {
            return self;
        }
        let (width, height) = (self.width / factor, self.height / factor);
        let count = factor * factor;
        let mean = |channel: usize, x: usize, y: usize| {
            let rows = (0..factor).map(|row| {
                let start = (channel * self.height + y * factor + row) * self.width + x * factor;
                let values = self.values[start..start + factor].iter();
                values.map(|value| usize::from(*value)).sum::<usize>()
            });
            ((rows.sum::<usize>() + count / 2) / count) as u8
        };
        let places = (0..self.channels)
            .flat_map(|channel| (0..height).map(move |y| (channel, y)))
            .flat_map(|(channel, y)| (0..width).map(move |x| (channel, x, y)));
        Self {
            width,
            height,
            channels: self.channels,
            values: places.map(|(channel, x, y)| mean(channel, x, y)).collect(),
            notes: self.notes,
        }
    }

    /// The picture on a background, `[3, H, W]` with values 0 to 1.
    pub fn on_background(&self, background: Rgb) -> Picture {
        let plane = self.width * self.height;
        let mut values = Vec::with_capacity(3 * plane);
        for (channel, below) in background.channels().into_iter().enumerate() {
            let colors = &self.values[channel * plane..(channel + 1) * plane];
            if self.channels == 3 {
                values.extend(colors.iter().map(|value| f32::from(*value) / 255.0));
                continue;
            }
            let opacities = &self.values[3 * plane..];
            values.extend(colors.iter().zip(opacities).map(|(color, opacity)| {
                let opacity = f32::from(*opacity) / 255.0;
                f32::from(*color) / 255.0 * opacity + below * (1.0 - opacity)
            }));
        }
        Picture::new(self.width, self.height, values)
    }
}

/// Decodes a PNG, JPEG or WebP, turned as its metadata says, or paints an SVG so that its shorter side has 512 pixels (fewer if
/// it is more than twice as long as wide). Of an animation it is the first picture. Texts and pictures in an SVG are left out.
/// The notes say so.
///
/// # Errors
/// When the bytes are no such picture, it is damaged, or it would need too much memory or time.
pub fn decode_picture(bytes: &[u8]) -> Result<DecodedPicture, PictureError> {
    if let Some(name) = other_format(bytes) {
        return Err(PictureError::OtherFormat(name));
    }
    let Ok(format) = image::guess_format(bytes) else {
        return paint_svg(bytes);
    };
    let name = match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        _ => return Err(PictureError::UnknownFormat),
    };
    let damaged = |cause| PictureError::Damaged {
        format: name,
        cause,
    };
    // The decoder makes a picture of what there is.
    if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(PictureError::Incomplete);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PICTURE_PIXELS {
        return Err(PictureError::TooManyPixels { width, height });
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    decoded.apply_orientation(orientation);
    let mut pixels = decoded.into_rgba8();
    if format == ImageFormat::Png {
        gamma::apply(bytes, &mut pixels);
    }
    let mut picture = DecodedPicture::from_rgba(pixels.width(), pixels.height(), pixels.as_raw());
    if is_animation(bytes, format) {
        let note = "it is an animation; only its first picture is used";
        picture.notes.push(note.to_owned());
    }
    Ok(picture)
}

/// The name of a format that is recognized and not read.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    // ISO base media files name their kind after the length and the type of the first box.
    match bytes.get(4..12) {
        Some(b"ftypheic" | b"ftypheix" | b"ftypmif1") => return Some("HEIC"),
        Some(b"ftypavif" | b"ftypavis") => return Some("AVIF"),
        _ => {}
    }
    let known: [(&[u8], &str); 6] = [
        (b"GIF8", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"BM", "BMP"),
        (b"\0\0\x01\0", "ICO"),
        (b"%PDF", "PDF"),
    ];
    let found = known.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, name)| *name)
}

/// Whether a file that can be decoded contains several pictures.
fn is_animation(bytes: &[u8], format: ImageFormat) -> bool {
    let file = Cursor::new(bytes);
    match format {
        ImageFormat::Png => PngDecoder::new(file).is_ok_and(|file| file.is_apng().unwrap_or(false)),
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|file| file.has_animation()),
        _ => false,
    }
}

fn paint_svg(bytes: &[u8]) -> Result<DecodedPicture, PictureError> {
    let text = document::text_of(bytes).map_err(|error| match error {
        // Bytes that are no text are no SVG that somebody could have meant.
        SvgError::NoText => PictureError::UnknownFormat,
        other => other.into(),
    })?;
    if !text.contains("<svg") && !text.contains(":svg") {
        return Err(PictureError::UnknownFormat);
    }
    let parsed = document::parse(&text)?;
    let resolved = style::resolved(&parsed);
    let document = match &resolved {
        Some(text) => document::parse(text)?,
        None => parsed,
    };
    let tree = document::build(&document)?;
    if !tree.filters().is_empty() {
        return Err(PictureError::Filters);
    }
    let size = tree.size();
    let scale = painting_scale(&tree).ok_or(PictureError::HugeShape)?;
    if !painting_cost::is_bounded(&tree, scale) {
        return Err(PictureError::LongPainting);
    }
    let [width, height] = [size.width(), size.height()]
        .map(|side| ((side * scale).round() as u32).clamp(1, MAX_SVG_SIDE as u32));
    let mut pixels = tiny_skia::Pixmap::new(width, height)
        .ok_or(PictureError::TooManyPixels { width, height })?;
    let transform = tiny_skia::Transform::from_scale(
        width as f32 / size.width(),
        height as f32 / size.height(),
    );
    resvg::render(&tree, transform, &mut pixels.as_mut());
    let straight: Vec<u8> = pixels
        .pixels()
        .iter()
        .map(tiny_skia::PremultipliedColorU8::demultiply)
        .flat_map(|color| [color.red(), color.green(), color.blue(), color.alpha()])
        .collect();
    let mut picture = DecodedPicture::from_rgba(width, height, &straight);
    picture.notes = Changes::in_painting(&document).notes();
    Ok(picture)
}

/// Pixels for a unit of an SVG; `None` if a shape would be too large.
fn painting_scale(tree: &usvg::Tree) -> Option<f32> {
    let [width, height] = [tree.size().width(), tree.size().height()];
    let longer = width.max(height);
    let fine = (SVG_SIDE / width.min(height))
        .min(MAX_SVG_PIXELS.sqrt() / (width.sqrt() * height.sqrt()))
        .min(MAX_SVG_SIDE / longer);
    let scales = [fine, SVG_SIDE / longer];
    scales
        .into_iter()
        .find(|scale| !has_huge_shape(tree.root(), MAX_COORDINATE / scale))
}

/// Whether a shape lies beyond a coordinate, in units of the SVG.
fn has_huge_shape(group: &usvg::Group, limit: f32) -> bool {
    group.children().iter().any(|node| {
        let area = node.abs_stroke_bounding_box();
        let sides = [area.left(), area.top(), area.right(), area.bottom()];
        let mut is_huge = !sides.iter().all(|side| side.abs() <= limit);
        if let usvg::Node::Group(inner) = node {
            is_huge = is_huge || has_huge_shape(inner, limit);
        }
        node.subroots(|root| is_huge = is_huge || has_huge_shape(root, limit));
        is_huge
    })
}
