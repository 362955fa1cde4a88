//! Animations of pictures.

use std::io::{Seek, Write};

use image_webp::ColorType;
use resvg::tiny_skia::{Color, Pixmap};

use super::changes::Area;
use super::gif::GifWriter;
use super::options::{FRAME_MILLISECONDS, LAST_MILLISECONDS, MAX_BYTES};
use super::webp::WebpWriter;
use crate::output::format::{EncodeError, paint_over, transparent_pixels, write_strokes_only};
use crate::scene::{Canvas, Strokes};

/// A file of pictures.
pub(super) enum PictureFile<W: Write + Seek> {
    Gif(GifWriter<W>),
    Webp(WebpWriter<W>),
}

impl<W: Write + Seek> PictureFile<W> {
    /// Adds what is different in a picture from the one before. `is_transparent` says whether there may be transparent
    /// pixels.
    fn add(
        &mut self,
        picture: &Pixmap,
        previous: Option<&Pixmap>,
        is_transparent: bool,
        ms: u16,
    ) -> Result<(), EncodeError> {
        let area = match self {
            // A pixel of a GIF that is transparent shows what was there before, so each frame is a whole picture.
            Self::Gif(_) if is_transparent => Area::whole(picture),
            _ => Area::changed(picture, previous),
        };
        let (pixels, color_type) = if is_transparent {
            (area.rgba(picture), ColorType::Rgba8)
        } else {
            (area.rgb(picture), ColorType::Rgb8)
        };
        match self {
            Self::Gif(file) if is_transparent => file.add_transparent(&area, &pixels, ms),
            Self::Gif(file) => file.add(&area, &pixels, ms),
            Self::Webp(file) => file.add(&area, (&pixels, color_type), ms),
        }
    }

    fn bytes(&mut self) -> Result<u64, EncodeError> {
        let writer = match self {
            Self::Gif(file) => file.writer(),
            Self::Webp(file) => file.writer(),
        };
        writer.stream_position().map_err(EncodeError::AnimationFile)
    }
}

/// An animation of pictures. It has the last picture in memory, to write only what changes.
pub(super) struct RasterAnimation<W: Write + Seek> {
    file: PictureFile<W>,
    canvas: Canvas,
    size: [u32; 2],
    previous: Option<Pixmap>,
}

impl<W: Write + Seek> RasterAnimation<W> {
    /// An animation without frames.
    pub(super) fn new(file: PictureFile<W>, canvas: Canvas, size: [u32; 2]) -> Self {
        Self {
            file,
            canvas,
            size,
            previous: None,
        }
    }

    /// Adds a picture of strokes, except if the file is too large already.
    pub(super) fn add(&mut self, strokes: &Strokes) -> Result<(), EncodeError> {
        if self.file.bytes()? > MAX_BYTES {
            return Ok(());
        }
        let picture = self.picture(strokes)?;
        self.write(picture, FRAME_MILLISECONDS)
    }

    /// Adds pictures of the paper and of more and more strokes, without the last picture.
    pub(super) fn add_one_by_one(
        &mut self,
        strokes: &Strokes,
        stride: usize,
    ) -> Result<(), EncodeError> {
        let mut picture = self.paper()?;
        for first in (0..strokes.len()).step_by(stride) {
            if self.file.bytes()? > MAX_BYTES {
                break;
            }
            self.write(picture.clone(), FRAME_MILLISECONDS)?;
            let last = (first + stride).min(strokes.len());
            let svg = write_strokes_only(strokes, &self.canvas, first..last);
            paint_over(&svg, &mut picture)?;
        }
        Ok(())
    }

    /// Adds the last picture and ends the file.
    pub(super) fn finish(mut self, strokes: &Strokes) -> Result<W, EncodeError> {
        let picture = self.picture(strokes)?;
        self.write(picture, LAST_MILLISECONDS)?;
        match self.file {
            PictureFile::Gif(file) => file.finish(),
            PictureFile::Webp(file) => file.finish(),
        }
    }

    fn write(&mut self, picture: Pixmap, milliseconds: u16) -> Result<(), EncodeError> {
        let previous = self.previous.as_ref();
        let is_transparent = self.canvas.is_transparent;
        self.file
            .add(&picture, previous, is_transparent, milliseconds)?;
        self.previous = Some(picture);
        Ok(())
    }

    fn picture(&self, strokes: &Strokes) -> Result<Pixmap, EncodeError> {
        let mut picture = self.paper()?;
        let svg = write_strokes_only(strokes, &self.canvas, 0..strokes.len());
        paint_over(&svg, &mut picture)?;
        Ok(picture)
    }

    fn paper(&self) -> Result<Pixmap, EncodeError> {
        let mut paper = transparent_pixels(self.size)?;
        if self.canvas.is_transparent {
            return Ok(paper);
        }
        let background = self.canvas.background;
        paper.fill(Color::from_rgba8(
            background.red,
            background.green,
            background.blue,
            255,
        ));
        Ok(paper)
    }
}
