//! Animated WebP without loss: the frames of image-webp, in the container of an animation (RFC 9649, section 2.7).

use std::io::{Seek, SeekFrom, Write};

use image_webp::{ColorType, WebPEncoder};

use super::changes::Area;
use crate::output::format::EncodeError;

/// The bytes of a still picture before its one chunk: `RIFF`, the size and `WEBP`.
const HEADER: usize = 12;

/// The bytes of the parameters of a frame.
const FRAME_PARAMETERS: usize = 16;

/// The flag of a file that says that it has transparent pixels.
const ALPHA: u8 = 1 << 4;

/// The flag of a file that says that it has an animation.
const ANIMATION: u8 = 1 << 1;

/// The flag of a frame that says that it replaces what is below it.
const REPLACE: u8 = 1 << 1;

/// Writes the frames of an animated WebP.
pub(super) struct WebpWriter<W: Write + Seek>(W);

impl<W: Write + Seek> WebpWriter<W> {
    /// Begins a WebP that is repeated without end.
    pub(super) fn new(
        mut writer: W,
        [width, height]: [u32; 2],
        is_transparent: bool,
    ) -> Result<Self, EncodeError> {
        // The size of the file follows when it is known.
        let mut header = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0".to_vec();
        let flags = ANIMATION | if is_transparent { ALPHA } else { 0 };
        header.extend_from_slice(&[flags, 0, 0, 0]);
        header.extend_from_slice(&three_bytes(width as usize - 1));
        header.extend_from_slice(&three_bytes(height as usize - 1));
        // A white background, and no limit on repetitions.
        header.extend_from_slice(b"ANIM\x06\0\0\0\xff\xff\xff\xff\0\0");
        writer
            .write_all(&header)
            .map_err(EncodeError::AnimationFile)?;
        Ok(Self(writer))
    }

    /// Writes a part of the picture over the frame before: its pixels, of one color type.
    pub(super) fn add(
        &mut self,
        area: &Area,
        (pixels, color_type): (&[u8], ColorType),
        milliseconds: u16,
    ) -> Result<(), EncodeError> {
        let mut still = Vec::new();
        WebPEncoder::new(&mut still)
            .encode(pixels, area.width as u32, area.height as u32, color_type)
            .map_err(|cause| EncodeError::AnimationEncoder(cause.to_string()))?;
        let picture = &still[HEADER..];
        let size = (FRAME_PARAMETERS + picture.len()) as u32;
        let mut chunk = b"ANMF".to_vec();
        chunk.extend_from_slice(&size.to_le_bytes());
        for number in [
            area.left / 2,
            area.top / 2,
            area.width - 1,
            area.height - 1,
            usize::from(milliseconds),
        ] {
            chunk.extend_from_slice(&three_bytes(number));
        }
        chunk.push(REPLACE);
        chunk.extend_from_slice(picture);
        self.0.write_all(&chunk).map_err(EncodeError::AnimationFile)
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<W, EncodeError> {
        let mut writer = self.0;
        let mut end = || {
            let bytes = writer.stream_position()?;
            writer.seek(SeekFrom::Start(4))?;
            writer.write_all(&(bytes as u32 - 8).to_le_bytes())?;
            writer.seek(SeekFrom::End(0))
        };
        end().map_err(EncodeError::AnimationFile)?;
        Ok(writer)
    }

    /// What is written to.
    pub(super) fn writer(&mut self) -> &mut W {
        &mut self.0
    }
}

fn three_bytes(number: usize) -> [u8; 3] {
    let [first, second, third, _] = (number as u32).to_le_bytes();
    [first, second, third]
}
