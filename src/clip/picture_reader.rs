//! From pictures to unit vectors, and back to the pictures' gradient.

use tch::{Device, Kind, TchError, Tensor};

use super::config::{ClipConfig, ImageConfig};
use super::error::ClipError;
use super::resnet::ResNet;
use super::vision_transformer::VisionTransformer;
use super::weights::{Frozen, Weights};

/// What [`Clip::score_views`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewScores {
    /// Cosine of each view's embedding with its direction, -1 to 1.
    pub cosines: Vec<f32>,
    /// Gradient of each view's cosine with respect to its pixels, in the order of the views.
    pub gradient: Vec<f32>,
}

/// An image tower with the normalisation before it; clones share their weights.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    tower: ImageTower,
    mean: Frozen,
    deviation: Frozen,
    side: i64,
}

#[derive(Debug, Clone)]
enum ImageTower {
    Transformer(VisionTransformer),
    ResNet(ResNet),
}

impl Reader {
    /// Reads `visual`.
    pub(crate) fn new(weights: &Weights<'_>, config: &ClipConfig) -> Result<Self, ClipError> {
        let visual = weights.at("visual");
        let tower = match config.image {
            ImageConfig::Transformer(size) => {
                ImageTower::Transformer(VisionTransformer::new(&visual, size, config)?)
            }
            ImageConfig::ResNet(size) => ImageTower::ResNet(ResNet::new(&visual, size, config)?),
        };
        let channels = |values: [f32; 3]| {
            weights
                .in_fp32()
                .place(&Tensor::from_slice(&values).reshape([1, 3, 1, 1]))
        };
        let (mean, deviation) = (channels(config.mean)?, channels(config.deviation)?);
        Ok(Self {
            tower,
            mean,
            deviation,
            side: config.side,
        })
    }

    /// Pictures `[N, 3, R, R]` from 0 to 1 to unit vectors `[N, E]`, both 32-bit, with gradient.
    pub(crate) fn read(&self, views: &Tensor) -> Result<Tensor, TchError> {
        let views = views.f_to_device(self.mean.device())?;
        let normal = views.f_sub(&self.mean)?.f_div(&self.deviation)?;
        let embeddings = match &self.tower {
            ImageTower::Transformer(tower) => tower.forward(&normal)?,
            ImageTower::ResNet(tower) => tower.forward(&normal)?,
        };
        unit(&embeddings.f_to_kind(Kind::Float)?)
    }

    /// The cosines of `count` views with their directions `[N, E]`, and the gradient of each to its view.
    pub(crate) fn score(
        &self,
        views: &[f32],
        count: i64,
        directions: &Tensor,
    ) -> Result<ViewScores, TchError> {
        let pictures = Tensor::f_from_slice(views)?.f_reshape([count, 3, self.side, self.side])?;
        let pictures = pictures
            .f_to_device(self.mean.device())?
            .f_set_requires_grad(true)?;
        let cosines = self
            .read(&pictures)?
            .f_mul(directions)?
            .f_sum_dim_intlist(-1, false, None)?;
        let gradient = Tensor::f_run_backward(&[cosines.f_sum(None)?], &[&pictures], false, false)?;
        Ok(ViewScores {
            cosines: numbers(&cosines)?,
            gradient: numbers(&gradient[0])?,
        })
    }
}

/// The same directions with length one.
pub(crate) fn unit(vectors: &Tensor) -> Result<Tensor, TchError> {
    let squares = vectors.f_mul(vectors)?.f_sum_dim_intlist(-1, true, None)?;
    vectors.f_div(&squares.f_sqrt()?)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let tensor = tensor
        .f_detach()?
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?;
    let mut numbers = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut numbers, tensor.numel())?;
    Ok(numbers)
}
