//! The image towers of one model, on libtorch or without it.

use tch::{Device, Kind, TchError, Tensor};

use super::efficient_net::EfficientNet;
use super::native::{Native, NativePass};
use super::order::TowerViews;
use super::resnet::ResNet;
use super::vit::VisionTransformer;
use crate::clip::checkpoint::detect::tower_branch;
use crate::clip::checkpoint::weights::Weights;
use crate::clip::config::{ClipConfig, ImageConfig};
use crate::clip::error::ClipError;

/// What computes the image towers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TowerBackend {
    /// The program's own passes where there are any: on a processor in 32 bits, for vision transformers and for the towers
    /// of the embedded model. Else libtorch.
    #[default]
    Native,
    /// Always libtorch, for comparison.
    Libtorch,
}

/// The towers, as they are computed. Clones share their weights, which are in memory once.
#[derive(Debug, Clone)]
pub(super) enum Towers {
    Libtorch(Vec<LibtorchTower>),
    Native(Vec<Native>),
}

/// A tower on libtorch.
#[derive(Debug, Clone)]
pub(super) enum LibtorchTower {
    Transformer(VisionTransformer),
    ResNet(ResNet),
    EfficientNet(EfficientNet),
}

impl LibtorchTower {
    fn new(weights: &Weights<'_>, config: &ClipConfig) -> Result<Self, ClipError> {
        Ok(match config.image {
            ImageConfig::Transformer(size) => {
                Self::Transformer(VisionTransformer::new(weights, size, config)?)
            }
            ImageConfig::ResNet(size) => Self::ResNet(ResNet::new(weights, size, config)?),
            ImageConfig::EfficientNet(size) => {
                Self::EfficientNet(EfficientNet::new(weights, size, config)?)
            }
        })
    }

    /// The tower without libtorch, if there is such a pass for its kind and sizes.
    fn native(&self, config: &ClipConfig) -> Result<Option<Native>, TchError> {
        match self {
            Self::EfficientNet(tower) => Native::convolutional(tower, config),
            Self::Transformer(tower) => Native::transformer(tower, config),
            Self::ResNet(_) => Ok(None),
        }
    }

    /// Normalized pictures `[N, 3, R, R]` to features, `[N, ...]` each.
    pub(super) fn features(&self, pictures: &Tensor) -> Result<[Tensor; 2], TchError> {
        match self {
            Self::Transformer(tower) => tower.features(pictures),
            Self::ResNet(tower) => tower.features(pictures),
            Self::EfficientNet(tower) => tower.features(pictures),
        }
    }

    /// The last features to embeddings `[N, E]` that are not normalized.
    fn finish(&self, features: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Transformer(tower) => tower.finish(features),
            Self::ResNet(tower) => tower.finish(features),
            Self::EfficientNet(tower) => tower.finish(features),
        }
    }

    /// Normalized pictures `[N, 3, R, R]` to embeddings `[N, E]` that are not normalized, and features.
    pub(super) fn forward(&self, pictures: &Tensor) -> Result<(Tensor, [Tensor; 2]), TchError> {
        let features = self.features(pictures)?;
        Ok((self.finish(&features[1])?, features))
    }
}

impl Towers {
    /// Reads `visual` and any further towers.
    pub(super) fn new(
        weights: &Weights<'_>,
        config: &ClipConfig,
        backend: TowerBackend,
    ) -> Result<Self, ClipError> {
        let towers = (0..config.towers)
            .map(|tower| LibtorchTower::new(&weights.at(tower_branch(tower)), config));
        let towers = towers.collect::<Result<Vec<_>, _>>()?;
        let is_suitable = weights.device() == Device::Cpu && weights.kind() == Kind::Float;
        if backend == TowerBackend::Libtorch || !is_suitable {
            return Ok(Self::Libtorch(towers));
        }
        let native = towers.iter().map(|tower| tower.native(config));
        let native: Option<Vec<Native>> = native
            .collect::<Result<_, _>>()
            .map_err(ClipError::while_doing("packing weights"))?;
        Ok(native.map_or(Self::Libtorch(towers), Self::Native))
    }

    /// Only the tower with this number.
    pub(super) fn single(&self, tower: usize) -> Self {
        match self {
            Self::Libtorch(towers) => Self::Libtorch(vec![towers[tower].clone()]),
            Self::Native(towers) => Self::Native(vec![towers[tower].clone()]),
        }
    }

    /// The number of towers.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Libtorch(towers) => towers.len(),
            Self::Native(towers) => towers.len(),
        }
    }
}

/// Views `[N, 3, R, R]`, 32-bit, to embeddings `[N, E]` that are not normalized, and a pass for each tower that has any view.
pub(super) fn encode_natively(
    towers: &[Native],
    order: &TowerViews,
    views: &Tensor,
) -> Result<(Tensor, Vec<NativePass>), TchError> {
    let parts = order.divide(views)?.into_iter();
    let parts = parts.map(|(tower, own)| towers[tower].forward(&own));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let (embeddings, passes): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok((order.join(&embeddings)?, passes))
}
