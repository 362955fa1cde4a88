//! The image towers of one model, on libtorch or without it.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use super::efficient_net::EfficientNet;
use super::native::{Native, NativePass, suits};
use super::order::TowerViews;
use super::resnet::ResNet;
use super::vit::VisionTransformer;
use crate::clip::checkpoint::detect::tower_branch;
use crate::clip::checkpoint::weights::Weights;
use crate::clip::config::{ClipConfig, ImageConfig};
use crate::clip::error::ClipError;
use crate::compute::Precision;

/// What computes the image towers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TowerBackend {
    /// The program's own passes where there are any: on a processor in 32 bits, for vision transformers and for the towers
    /// of the embedded model. Else libtorch.
    #[default]
    Native,
    /// Always libtorch.
    Libtorch,
}

impl TowerBackend {
    /// Whether it has passes for the towers of such a model, as numbers of `kind` on `device`.
    pub fn computes(self, config: &ClipConfig, device: Device, kind: Kind) -> bool {
        match self {
            Self::Native => device == Device::Cpu && kind == Kind::Float && suits(&config.image),
            Self::Libtorch => true,
        }
    }
}

impl fmt::Display for TowerBackend {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Native => "native",
            Self::Libtorch => "libtorch",
        })
    }
}

/// How image towers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// The number type.
    pub precision: Precision,
    /// What computes them.
    pub backend: TowerBackend,
}

impl From<Precision> for Arithmetic {
    /// By the program's own passes where there are any.
    fn from(precision: Precision) -> Self {
        Self {
            precision,
            backend: TowerBackend::Native,
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.backend, self.precision)
    }
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

/// Reads a tower that is computed without libtorch; `None` if there is no such pass. Libtorch's copy of the weights is dropped
/// while they are packed.
fn native(weights: &Weights<'_>, config: &ClipConfig) -> Result<Option<Native>, ClipError> {
    let packed = match config.image {
        ImageConfig::Transformer(size) => {
            Native::transformer(VisionTransformer::new(weights, size, config)?, config)
        }
        ImageConfig::EfficientNet(size) => {
            Native::convolutional(&EfficientNet::new(weights, size, config)?, config)
        }
        ImageConfig::ResNet(_) => return Ok(None),
    };
    packed
        .map(Some)
        .map_err(ClipError::while_doing("packing weights"))
}

impl Towers {
    /// Reads `visual` and any further towers.
    pub(super) fn new(
        weights: &Weights<'_>,
        config: &ClipConfig,
        backend: TowerBackend,
    ) -> Result<Self, ClipError> {
        let branches = (0..config.towers).map(|tower| weights.at(tower_branch(tower)));
        let is_native = backend == TowerBackend::Native
            && backend.computes(config, weights.device(), weights.kind());
        if is_native {
            let towers = branches.clone().map(|weights| native(&weights, config));
            if let Some(towers) = towers.collect::<Result<_, _>>()? {
                return Ok(Self::Native(towers));
            }
        }
        let towers = branches.map(|weights| LibtorchTower::new(&weights, config));
        Ok(Self::Libtorch(towers.collect::<Result<_, _>>()?))
    }

    /// What computes them.
    pub(super) fn backend(&self) -> TowerBackend {
        match self {
            Self::Libtorch(_) => TowerBackend::Libtorch,
            Self::Native(_) => TowerBackend::Native,
        }
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
