//! Pictures as prompts.

use std::sync::Arc;

use tch::{Device, TchError, Tensor};

use crate::clip::{Clip, ClipError};
use crate::import::DecodedPicture;
use crate::scene::Rgb;

/// Pictures are reduced to about this before they are kept. No CLIP model sees more.
const SIDE: usize = 512;

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
        let scaled = |length: i64| (length * side).div_euclid(shorter).max(side);
        let [width, height] = [width, height].map(scaled);
        pixels
            .f_internal_upsample_bicubic2d_aa([height, width], false, None, None)?
            .f_clamp(0.0, 1.0)?
            .f_narrow(2, (height - side) / 2, side)?
            .f_narrow(3, (width - side) / 2, side)
    }
}
