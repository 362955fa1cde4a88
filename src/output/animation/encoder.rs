//! An animation while its frames come.

use std::fmt;
use std::io::{Seek, Write};

use super::gif::GifWriter;
use super::options::{AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle};
use super::raster::{PictureFile, RasterAnimation};
use super::svg::{FrameAttributes, attributes_of, write_strokes, write_timelapse};
use super::webp::WebpWriter;
use crate::output::document::Document;
use crate::output::format::EncodeError;
use crate::scene::Strokes;

/// Writes an animation: the frames of a drawing as they come, and at the end the finished drawing.
pub struct AnimationEncoder<W: Write + Seek> {
    style: AnimationStyle,
    stride: usize,
    frames: usize,
    file: AnimationFile<W>,
}

impl<W: Write + Seek> fmt::Debug for AnimationEncoder<W> {
    /// Shows what is small; the frames are not.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AnimationEncoder")
            .field("style", &self.style)
            .field("stride", &self.stride)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

enum AnimationFile<W: Write + Seek> {
    /// A stroke has the attributes of all frames, so they are written together. Their number is limited.
    Svg {
        writer: W,
        frames: Vec<FrameAttributes>,
    },
    Pictures(Box<RasterAnimation<W>>),
}

impl<W: Write + Seek> AnimationEncoder<W> {
    /// Begins an animation, which is written to `writer` from its position 0 on.
    ///
    /// # Errors
    /// When the file cannot be written, or a side of a picture would have too many pixels or none.
    pub fn new(
        writer: W,
        options: &AnimationOptions,
        size: &AnimationSize,
    ) -> Result<Self, EncodeError> {
        let pixels = options.picture_size(&size.canvas);
        let is_transparent = size.canvas.is_transparent;
        let pictures = |file, pixels| {
            let animation = RasterAnimation::new(file, size.canvas, pixels);
            AnimationFile::Pictures(Box::new(animation))
        };
        let file = match options.format {
            AnimationFormat::Svg => AnimationFile::Svg {
                writer,
                frames: Vec::new(),
            },
            AnimationFormat::Gif => {
                let pixels = pixels?;
                pictures(PictureFile::Gif(GifWriter::new(writer, pixels)?), pixels)
            }
            AnimationFormat::Webp => {
                let pixels = pixels?;
                let file = WebpWriter::new(writer, pixels, is_transparent)?;
                pictures(PictureFile::Webp(file), pixels)
            }
        };
        Ok(Self {
            style: options.style,
            stride: options.stride(size),
            frames: 0,
            file,
        })
    }

    /// Adds a frame of the drawing that is not the last one.
    ///
    /// # Errors
    /// When the frame cannot be encoded or written.
    pub fn add(&mut self, strokes: &Strokes) -> Result<(), EncodeError> {
        let wanted =
            self.style == AnimationStyle::Timelapse && self.frames.is_multiple_of(self.stride);
        self.frames += 1;
        match &mut self.file {
            _ if !wanted => {}
            AnimationFile::Svg { frames, .. } => frames.push(attributes_of(strokes)),
            AnimationFile::Pictures(animation) => animation.add(strokes)?,
        }
        Ok(())
    }

    /// Adds the finished drawing and ends the file.
    ///
    /// # Errors
    /// When the frame cannot be encoded or written.
    pub fn finish(self, document: &Document<'_>) -> Result<W, EncodeError> {
        let strokes = &document.frame.strokes;
        match self.file {
            AnimationFile::Svg {
                mut writer,
                mut frames,
            } => {
                let metadata = document.metadata();
                let text = if self.style == AnimationStyle::Strokes {
                    write_strokes(strokes, document.canvas, &metadata)
                } else {
                    frames.push(attributes_of(strokes));
                    // A stroke moves only if it is in all frames.
                    frames.retain(|frame| frame.len() == strokes.len());
                    write_timelapse(&frames, document.canvas, &metadata)
                };
                text.and_then(|text| writer.write_all(&text))
                    .map_err(EncodeError::AnimationFile)?;
                Ok(writer)
            }
            AnimationFile::Pictures(mut animation) => {
                if self.style == AnimationStyle::Strokes {
                    animation.add_one_by_one(strokes, self.stride)?;
                }
                animation.finish(strokes)
            }
        }
    }
}
