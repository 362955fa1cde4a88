//! Pictures as prompts.

use std::sync::Arc;

use tch::{Device, TchError, Tensor};

use crate::clip::{Clip, ClipError};
use crate::import::DecodedPicture;
use crate::scene::Rgb;

/// Pictures are reduced to about this before they are kept. No CLIP model sees more.
const SIDE: usize = 512;

/// How many times as long as its shorter side a picture may be when it is resampled. What is cut off is far from the middle
/// square; to enlarge all of a very long picture would take gigabytes.
const MAX_RATIO: i64 = 4;

/// A picture and how much it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePrompt {
    /// The picture, reduced.
    picture: Arc<DecodedPicture>,
    /// Its weight in the loss; a negative one moves the drawing away from it.
    pub weight: f32,
}

impl ImagePrompt {
    /// A picture with a weight.
    pub fn new(picture: DecodedPicture, weight: f32) -> Self {
        Self {
            picture: Arc::new(picture.reduced(SIDE)),
            weight,
        }
    }

    /// The picture, reduced to about the size that a model sees.
    pub fn picture(&self) -> Arc<DecodedPicture> {
        Arc::clone(&self.picture)
    }

    /// The unit vector of the picture on a background, `[E]`. With several image towers it is their mean.
    pub(super) fn embed(&self, clip: &Clip, background: Rgb) -> Result<Vec<f32>, ClipError> {
        let embed = || {
            let view = self.view(clip.input_size(), background)?;
            // Each tower encodes two pictures.
            let towers = clip.config().towers as i64;
            view.f_repeat([2 * towers, 1, 1, 1])?
                .f_to_device(clip.device())
        };
        let views = embed().map_err(ClipError::while_doing("preparing an image prompt"))?;
        let embeddings = tch::no_grad(|| clip.embed_pictures(&views))?;
        let mean = || {
            let mean = embeddings
                .f_mean_dim(0, false, tch::Kind::Float)?
                .f_to_device(Device::Cpu)?;
            let length = mean.f_norm()?;
            Vec::try_from(&mean.f_div(&length)?)
        };
        mean().map_err(ClipError::while_doing(
            "reading an image prompt's embedding",
        ))
    }

    /// What CLIP sees of the picture, `[1, 3, side, side]`: its middle square, resampled as in CLIP's own preprocessing
    /// (bicubic, with antialiasing).
    fn view(&self, side: i64, background: Rgb) -> Result<Tensor, TchError> {
        let picture = self.picture.on_background(background);
        let [width, height] = [picture.width(), picture.height()].map(|side| side as i64);
        let pixels = Tensor::f_from_slice(picture.values())?.f_reshape([1, 3, height, width])?;
        let shorter = width.min(height);
        let [kept_width, kept_height] = [width, height].map(|side| side.min(MAX_RATIO * shorter));
        let pixels = pixels
            .f_narrow(2, (height - kept_height) / 2, kept_height)?
            .f_narrow(3, (width - kept_width) / 2, kept_width)?;
        let scaled = |length: i64| (length * side).div_euclid(shorter).max(side);
        let [width, height] = [kept_width, kept_height].map(scaled);
        pixels
            .f_internal_upsample_bicubic2d_aa([height, width], false, None, None)?
            .f_clamp(0.0, 1.0)?
            .f_narrow(2, (height - side) / 2, side)?
            .f_narrow(3, (width - side) / 2, side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gray in steps along its length, white in the middle.
    fn long(length: usize, is_wide: bool) -> ImagePrompt {
        let gray = (0..length).map(|place| {
            if place.abs_diff(length / 2) <= 3 {
                255
            } else {
                (place % 200) as u8
            }
        });
        let plane: Vec<u8> = gray.flat_map(|value| [value; 2]).collect();
        let plane = if is_wide {
            let row = plane.iter().step_by(2).copied();
            row.clone().chain(row).collect()
        } else {
            plane
        };
        let (width, height) = if is_wide { (length, 2) } else { (2, length) };
        let picture = DecodedPicture {
            width,
            height,
            channels: 3,
            values: plane.repeat(3),
            notes: Vec::new(),
        };
        ImagePrompt::new(picture, 1.0)
    }

    #[test]
    fn of_a_very_long_picture_only_the_middle_square_is_enlarged() {
        for is_wide in [false, true] {
            let picture = long(1_000_001, is_wide);
            let view = picture.view(224, Rgb::WHITE).unwrap();
            assert_eq!(view.size(), [1, 3, 224, 224]);
            // All that is seen is in the white part.
            let least: f64 = view.min().double_value(&[]);
            assert!(least > 0.999, "{least}");
        }
    }
}
