//! Animated GIF. Each frame has a palette of its own.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use ::gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use color_quant::NeuQuant;

use super::changes::Area;
use crate::output::format::EncodeError;

/// The maximum number of colours of a frame.
const MAX_COLORS: usize = 256;

/// About how many pixels the colours of a frame are learned from.
const SAMPLES: usize = 30_000;

/// Writes the frames of a GIF.
pub(super) struct GifWriter<W: Write>(Encoder<W>);

impl<W: Write> GifWriter<W> {
    /// Begins a GIF that is repeated without end.
    pub(super) fn new(writer: W, [width, height]: [u32; 2]) -> Result<Self, EncodeError> {
        let [width, height] = [side(width)?, side(height)?];
        let mut encoder = Encoder::new(writer, width, height, &[]).map_err(error)?;
        encoder.set_repeat(Repeat::Infinite).map_err(error)?;
        Ok(Self(encoder))
    }

    /// Writes a part of the picture over the frame before.
    pub(super) fn add(
        &mut self,
        area: &Area,
        rgb: &[u8],
        milliseconds: u16,
    ) -> Result<(), EncodeError> {
        let (palette, indices) = quantized(rgb, MAX_COLORS);
        let frame = Frame {
            palette: Some(palette),
            buffer: Cow::Owned(indices),
            dispose: DisposalMethod::Keep,
            ..Frame::default()
        };
        self.write(area, frame, milliseconds)
    }

    /// Writes a picture in the place of the frame before, from red, green, blue and opacity of its pixels. A GIF has no pixels
    /// that are partly transparent, so those that are not quite transparent are on white.
    pub(super) fn add_transparent(
        &mut self,
        area: &Area,
        rgba: &[u8],
        milliseconds: u16,
    ) -> Result<(), EncodeError> {
        let pixels = rgba.as_chunks::<4>().0;
        let visible = pixels.iter().filter(|pixel| pixel[3] > 0);
        let rgb: Vec<u8> = visible.copied().flat_map(on_white).collect();
        let (mut palette, indices) = quantized(&rgb, MAX_COLORS - 1);
        let transparent = (palette.len() / 3) as u8;
        palette.extend_from_slice(&[255; 3]);
        let mut indices = indices.into_iter();
        let buffer = pixels.iter().map(|pixel| {
            let index = (pixel[3] > 0).then(|| indices.next()).flatten();
            index.unwrap_or(transparent)
        });
        let frame = Frame {
            palette: Some(palette),
            buffer: buffer.collect(),
            transparent: Some(transparent),
            dispose: DisposalMethod::Background,
            ..Frame::default()
        };
        self.write(area, frame, milliseconds)
    }

    fn write(
        &mut self,
        area: &Area,
        frame: Frame<'_>,
        milliseconds: u16,
    ) -> Result<(), EncodeError> {
        let [left, top] = [area.left, area.top].map(|number| number as u32);
        let [width, height] = [area.width, area.height].map(|number| number as u32);
        let frame = Frame {
            delay: milliseconds / 10,
            left: side(left)?,
            top: side(top)?,
            width: side(width)?,
            height: side(height)?,
            ..frame
        };
        self.0.write_frame(&frame).map_err(error)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<W, EncodeError> {
        self.0.into_inner().map_err(error)
    }

    /// What is written to.
    pub(super) fn writer(&mut self) -> &mut W {
        self.0.get_mut()
    }
}

fn side(pixels: u32) -> Result<u16, EncodeError> {
    u16::try_from(pixels).map_err(|cause| EncodeError::AnimationEncoder(cause.to_string()))
}

fn error(cause: EncodingError) -> EncodeError {
    match cause {
        EncodingError::Io(cause) => EncodeError::AnimationFile(cause),
        cause => EncodeError::AnimationEncoder(cause.to_string()),
    }
}

/// The colour of a pixel of red, green, blue and opacity on white paper.
fn on_white([red, green, blue, opacity]: [u8; 4]) -> [u8; 3] {
    let opacity = u32::from(opacity);
    [red, green, blue].map(|channel| {
        let sum = u32::from(channel) * opacity + 255 * (255 - opacity);
        ((sum + 127) / 255) as u8
    })
}

/// A palette of at most `max_colors` colours, and the index of each pixel's colour in it. If there are not more colours, they
/// are exact.
fn quantized(rgb: &[u8], max_colors: usize) -> (Vec<u8>, Vec<u8>) {
    exact(rgb, max_colors).unwrap_or_else(|| nearest(rgb, max_colors))
}

fn exact(rgb: &[u8], max_colors: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut known: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette = Vec::new();
    let mut indices = Vec::with_capacity(rgb.len() / 3);
    for pixel in rgb.as_chunks::<3>().0 {
        let index = match known.get(pixel) {
            Some(index) => *index,
            None if known.len() < max_colors => {
                let index = known.len() as u8;
                known.insert(*pixel, index);
                palette.extend_from_slice(pixel);
                index
            }
            None => return None,
        };
        indices.push(index);
    }
    Some((palette, indices))
}

fn nearest(rgb: &[u8], max_colors: usize) -> (Vec<u8>, Vec<u8>) {
    let pixels = rgb.as_chunks::<3>().0;
    let rgba: Vec<u8> = pixels
        .iter()
        .flat_map(|[red, green, blue]| [*red, *green, *blue, 255])
        .collect();
    let every = (pixels.len() / SAMPLES).clamp(1, 30) as i32;
    let network = NeuQuant::new(every, max_colors, &rgba);
    // A search in the network takes longer than one in this map, and pictures repeat their colours.
    let mut known: HashMap<[u8; 3], u8> = HashMap::new();
    let indices = pixels.iter().map(|pixel| {
        let [red, green, blue] = *pixel;
        *known
            .entry(*pixel)
            .or_insert_with(|| network.index_of(&[red, green, blue, 255]) as u8)
    });
    let indices = indices.collect();
    (network.color_map_rgb(), indices)
}
