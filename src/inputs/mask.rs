//! The picture that a region is painted in.

use super::declaration::FromFile;
use super::file::FileContent;
use crate::draw::objective::{Mask, MaskError};
use crate::import::{PictureError, decode_picture};
use crate::scene::{Canvas, Rgb};

/// A picture in which a pixel is bright enough to be free.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaskPicture {
    width: usize,
    /// The brightness of each pixel on black, 0 to 1, rows from the top.
    brightness: Vec<f32>,
    /// What was left out of the picture, in lines.
    notes: Vec<String>,
}

/// Why a file is no mask.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaskPictureError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Mask(#[from] MaskError),
}

/// The weights of red, green and blue in the brightness of a colour (ITU-R BT.709).
const LUMA: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// How much the ratio of width and height may differ from that of the canvas without a note, as a factor.
const MAX_STRETCH: f64 = 1.1;

impl FromFile for MaskPicture {
    const CONTENT: &'static str = "a picture (PNG, JPEG, WebP or SVG)";
    type Error = MaskPictureError;

    fn from_file(file: &FileContent) -> Result<Self, MaskPictureError> {
        let picture = decode_picture(&file.bytes)?;
        let pixels = picture.on_background(Rgb::BLACK);
        let planes: Vec<&[f32]> = pixels
            .values()
            .chunks_exact(picture.width * picture.height)
            .collect();
        let brightness = (0..planes[0].len()).map(|index| {
            let parts = planes.iter().zip(LUMA);
            parts.map(|(plane, weight)| weight * plane[index]).sum()
        });
        let mask = Self {
            width: picture.width,
            brightness: brightness.collect(),
            notes: picture.notes,
        };
        Mask::check(&mask.brightness)?;
        Ok(mask)
    }
}

impl MaskPicture {
    /// Lines about what could surprise somebody who sees the drawing.
    pub(super) fn notes(&self, canvas: &Canvas) -> Vec<String> {
        let mut notes = self.notes.clone();
        let height = self.brightness.len() / self.width;
        let ratio = |width: f64, height: f64| width / height;
        let stretch = ratio(self.width as f64, height as f64)
            / ratio(f64::from(canvas.width), f64::from(canvas.height));
        if stretch.max(1.0 / stretch) > MAX_STRETCH {
            notes.push(format!(
                "the picture of {} x {height} pixels is stretched over the canvas of {} x {}",
                self.width, canvas.width, canvas.height
            ));
        }
        if Mask::is_everywhere(&self.brightness) {
            notes.push("all of it is white, so strokes may be anywhere".to_owned());
        }
        notes
    }

    /// The mask, stretched over a canvas.
    pub(super) fn on_canvas(&self, canvas: &Canvas) -> Mask {
        Mask::new(self.width, &self.brightness, canvas).expect("a pixel was found to be free")
    }
}
