//! The normalization, the image towers, and the backward pass through both.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::efficient_net::EfficientNet;
use super::native::{Native, NativePass};
use super::resnet::ResNet;
use super::vit::VisionTransformer;
use crate::clip::checkpoint::detect::tower_branch;
use crate::clip::checkpoint::weights::{Frozen, Weights};
use crate::clip::config::{ClipConfig, ImageConfig};
use crate::clip::error::ClipError;

/// Half precision has too little range for the small gradients of the lower layers, so the loss is
/// multiplied by this power of two before the backward pass, and the gradient is divided by it
/// afterwards. This is exact.
const HALF_PRECISION_SCALE: f64 = 256.0;

/// Views that one tower encodes before the next one takes over. On a CPU they share one thread in most drawings, so
/// the number must not depend on the machine; otherwise the results would.
pub(super) const VIEWS_PER_TOWER: usize = 2;

/// Encoded views, with what the backward pass needs.
#[derive(Debug)]
pub struct Encoded {
    embeddings: Tensor,
    pass: Pass,
}

/// The gradient of a loss with respect to encoded views.
#[derive(Debug)]
pub struct EncodedGradient {
    /// With respect to their embeddings, `[N, E]`, 32-bit.
    pub embeddings: Tensor,
    /// With respect to their features, shaped as those of [`Encoded::features`], 32-bit; `None` if the loss does not depend
    /// on them.
    pub features: Option<[Tensor; 2]>,
}

impl From<Tensor> for EncodedGradient {
    /// Of a loss that depends on embeddings `[N, E]` alone.
    fn from(embeddings: Tensor) -> Self {
        Self {
            embeddings,
            features: None,
        }
    }
}

/// How views were encoded, and so how a gradient gets back to them.
#[derive(Debug)]
enum Pass {
    /// By libtorch.
    Torch {
        views: Tensor,
        features: TowerFeatures,
        gradient_scale: f64,
    },
    /// By [`Native`].
    Native {
        pass: Box<NativePass>,
        /// The embeddings before they were scaled to length one.
        unscaled: Tensor,
    },
}

impl Encoded {
    /// The unit vectors of the views, `[N, E]`, 32-bit, on the model's device, without gradient.
    pub fn embeddings(&self) -> Tensor {
        self.embeddings.detach()
    }

    /// The outputs of two inner layers of the image tower for the views, `[N, ...]` each, 32-bit, on the model's device,
    /// without gradient. What follows the first dimension depends on the tower; the channels of some are filled up with
    /// zeros.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn features(&self) -> Result<[Tensor; 2], ClipError> {
        let features = match &self.pass {
            Pass::Torch { features, .. } => {
                let all = features.of_views().and_then(in_fp32);
                all.and_then(|[outer, inner]| Ok([outer.f_detach()?, inner.f_detach()?]))
            }
            Pass::Native { pass, .. } => pass.features(self.embeddings.size()[0]),
        };
        features.map_err(ClipError::while_doing("reading the features of views"))
    }

    /// The gradient of a loss with respect to the views, `[N, 3, R, R]`, from its gradient with respect
    /// to their embeddings, `[N, E]`, 32-bit (a vector-Jacobian product).
    ///
    /// # Errors
    /// When the gradient has another shape than the embeddings, or libtorch fails.
    pub fn pull_back(self, gradient: &Tensor) -> Result<Tensor, ClipError> {
        self.pull_back_all(&gradient.shallow_clone().into())
    }

    /// As [`Self::pull_back`], for a loss that may depend on the features as well.
    ///
    /// # Errors
    /// As [`Self::pull_back`].
    pub fn pull_back_all(self, gradient: &EncodedGradient) -> Result<Tensor, ClipError> {
        let (found, expected) = (gradient.embeddings.size(), self.embeddings.size());
        if found != expected {
            return Err(ClipError::WrongGradient { found, expected });
        }
        self.backward(gradient)
            .map_err(ClipError::while_doing("pulling a gradient back to views"))
    }

    fn backward(self, gradient: &EncodedGradient) -> Result<Tensor, TchError> {
        // The derivative of this sum with respect to the embeddings is their gradient itself.
        let total = self.embeddings.f_mul(&gradient.embeddings)?.f_sum(None)?;
        match self.pass {
            Pass::Torch {
                views,
                features,
                gradient_scale,
            } => {
                let mut total = total;
                if let Some(gradients) = &gradient.features {
                    for (features, gradient) in in_fp32(features.of_views()?)?.iter().zip(gradients)
                    {
                        total = total.f_add(&features.f_mul(gradient)?.f_sum(None)?)?;
                    }
                }
                let total = total.f_mul_scalar(gradient_scale)?;
                let gradients = Tensor::f_run_backward(&[total], &[&views], false, false)?;
                gradients[0].f_mul_scalar(1.0 / gradient_scale)
            }
            Pass::Native { pass, unscaled } => {
                let gradients = Tensor::f_run_backward(&[total], &[&unscaled], false, false)?;
                pass.backward(&gradients[0], gradient.features.as_ref())
            }
        }
    }
}

/// The features of the views that each tower encoded, which are in the order of the views only when they are needed.
#[derive(Debug)]
struct TowerFeatures {
    /// For each tower those of its views, `[n, ...]`.
    parts: Vec<[Tensor; 2]>,
    /// For each view its index among those of all parts; `None` if they are in order.
    places: Option<Tensor>,
}

impl TowerFeatures {
    /// Those of all views, `[N, ...]`, in the number type of the towers.
    fn of_views(&self) -> Result<[Tensor; 2], TchError> {
        let ordered = |stage: usize| {
            let parts: Vec<&Tensor> = self.parts.iter().map(|part| &part[stage]).collect();
            match (&self.places, &parts[..]) {
                (None, [only]) => Ok(only.shallow_clone()),
                (None, parts) => Tensor::f_cat(parts, 0),
                (Some(places), parts) => Tensor::f_cat(parts, 0)?.f_index_select(0, places),
            }
        };
        Ok([ordered(0)?, ordered(1)?])
    }
}

fn in_fp32([outer, inner]: [Tensor; 2]) -> Result<[Tensor; 2], TchError> {
    Ok([outer.f_to_kind(Kind::Float)?, inner.f_to_kind(Kind::Float)?])
}

/// The image towers with the normalization before them; clones share their weights.
#[derive(Debug, Clone)]
pub(crate) struct ImageEncoder {
    towers: Vec<ImageTower>,
    /// The same towers without libtorch, where they are faster; `None` where not.
    native: Vec<Option<Native>>,
    mean: Frozen,
    std: Frozen,
    kind: Kind,
    orders: Arc<Mutex<LruCache<Vec<usize>, TowerOrder>>>,
}

/// Which views each tower encodes, as tensors on the device, so that a step copies nothing there.
#[derive(Debug)]
pub(crate) struct TowerOrder {
    /// For each tower that encodes any view its number and the indices of its views.
    parts: Vec<(usize, Tensor)>,
    /// For each view its index among the results of all parts.
    places: Tensor,
}

/// Which views each tower encodes.
#[derive(Debug)]
pub(crate) enum TowerViews {
    /// This tower encodes all of them.
    One(usize),
    /// Several towers share them.
    Several(TowerOrder),
}

impl TowerViews {
    /// A copy that shares the tensors, which never change.
    pub(super) fn share(&self) -> Self {
        match self {
            Self::One(tower) => Self::One(*tower),
            Self::Several(order) => Self::Several(order.share()),
        }
    }
}

/// How many orders are kept. Drawings that go on together have as many as there are towers.
const KEPT_ORDERS: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

impl TowerOrder {
    fn new(towers: &[usize], device: Device) -> Result<Self, TchError> {
        let mut numbers: Vec<usize> = towers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let mut places = vec![0; towers.len()];
        let mut parts = Vec::with_capacity(numbers.len());
        let mut place = 0;
        for number in numbers {
            let mut own = Vec::new();
            for (view, _) in towers
                .iter()
                .enumerate()
                .filter(|(_, tower)| **tower == number)
            {
                own.push(view as i64);
                places[view] = place;
                place += 1;
            }
            parts.push((number, Tensor::f_from_slice(&own)?.f_to_device(device)?));
        }
        Ok(Self {
            parts,
            places: Tensor::f_from_slice::<i64>(&places)?.f_to_device(device)?,
        })
    }

    /// A copy that shares the tensors, which never change.
    pub(super) fn share(&self) -> Self {
        let parts = self.parts.iter();
        Self {
            parts: parts
                .map(|(number, views)| (*number, views.shallow_clone()))
                .collect(),
            places: self.places.shallow_clone(),
        }
    }
}

#[derive(Debug, Clone)]
enum ImageTower {
    Transformer(VisionTransformer),
    ResNet(ResNet),
    EfficientNet(EfficientNet),
}

impl ImageTower {
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

    /// The tower without libtorch, if there is such a pass for its kind and precision.
    fn native(
        &self,
        weights: &Weights<'_>,
        config: &ClipConfig,
    ) -> Result<Option<Native>, ClipError> {
        if weights.device() != Device::Cpu || weights.kind() != Kind::Float {
            return Ok(None);
        }
        let native = match self {
            Self::EfficientNet(tower) => Native::convolutional(tower, config),
            Self::Transformer(tower) => Native::transformer(tower, config),
            Self::ResNet(_) => Ok(None),
        };
        native.map_err(ClipError::while_doing("packing weights"))
    }

    /// Normalized pictures `[N, 3, R, R]` to features, `[N, ...]` each.
    fn features(&self, pictures: &Tensor) -> Result<[Tensor; 2], TchError> {
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
    fn forward(&self, pictures: &Tensor) -> Result<(Tensor, [Tensor; 2]), TchError> {
        let features = self.features(pictures)?;
        Ok((self.finish(&features[1])?, features))
    }
}

impl ImageEncoder {
    /// Reads `visual` and any further towers.
    pub(crate) fn new(weights: &Weights<'_>, config: &ClipConfig) -> Result<Self, ClipError> {
        let towers = (0..config.towers)
            .map(|tower| ImageTower::new(&weights.at(tower_branch(tower)), config));
        let towers = towers.collect::<Result<Vec<_>, _>>()?;
        let native = towers.iter().map(|tower| tower.native(weights, config));
        let native = native.collect::<Result<_, _>>()?;
        let channels = |values: [f32; 3]| {
            weights
                .in_fp32()
                .place(&Tensor::from_slice(&values).reshape([1, 3, 1, 1]))
        };
        let (mean, std) = (channels(config.mean)?, channels(config.std)?);
        Ok(Self {
            towers,
            native,
            mean,
            std,
            kind: weights.kind(),
            orders: Arc::new(Mutex::new(LruCache::new(KEPT_ORDERS))),
        })
    }

    /// Views `[N, 3, R, R]` from 0 to 1 to unit vectors `[N, E]`, both 32-bit, with gradient. The first
    /// tower encodes the first two views, the next one the next two, and so on.
    pub(crate) fn forward(&self, views: &Tensor) -> Result<Tensor, TchError> {
        let views = views.f_to_device(self.device())?;
        let towers = self.views_of(&self.towers_of(0, views.size()[0] as usize))?;
        Ok(self.forward_by(&towers, &views)?.0)
    }

    /// An encoder with only one of the towers, the one with the number `tower` modulo their number.
    pub(super) fn single_tower(&self, tower: usize) -> Self {
        let tower = tower % self.towers.len();
        Self {
            towers: vec![self.towers[tower].clone()],
            native: vec![self.native[tower].clone()],
            mean: self.mean.clone(),
            std: self.std.clone(),
            orders: Arc::clone(&self.orders),
            ..*self
        }
    }

    /// The tower of each of `count` views; the first view goes to tower `first` modulo the number of
    /// towers.
    pub(super) fn towers_of(&self, first: usize, count: usize) -> Vec<usize> {
        let tower = |view: usize| (first + view / VIEWS_PER_TOWER) % self.towers.len();
        (0..count).map(tower).collect()
    }

    /// Which views the towers encode, where each view is encoded by the tower with its number in `towers`.
    pub(super) fn views_of(&self, towers: &[usize]) -> Result<TowerViews, TchError> {
        Ok(match towers {
            [tower, others @ ..] if others.iter().all(|other| other == tower) => {
                TowerViews::One(*tower)
            }
            _ => TowerViews::Several(self.order(towers)?),
        })
    }

    /// Whether views that one tower encodes have the same bits in every batch.
    pub(super) fn is_independent_of_batch(&self) -> bool {
        self.native.iter().all(Option::is_some)
    }

    /// Whether one batch keeps all threads busy, so that batches need not run at once.
    pub(super) fn shares_threads(&self) -> bool {
        let mut towers = self.native.iter().flatten();
        self.is_independent_of_batch() && towers.all(Native::shares_threads)
    }

    /// Encodes views, and keeps what the backward pass needs.
    pub(super) fn encode(&self, towers: &TowerViews, views: &Tensor) -> Result<Encoded, TchError> {
        if let TowerViews::One(tower) = towers
            && let Some(native) = &self.native[*tower]
        {
            let (embeddings, pass) = native.forward(views)?;
            let unscaled = embeddings.f_set_requires_grad(true)?;
            return Ok(Encoded {
                embeddings: unit(&unscaled)?,
                pass: Pass::Native {
                    pass: Box::new(pass),
                    unscaled,
                },
            });
        }
        let views = views
            .f_to_device(self.device())?
            .f_detach()?
            .f_set_requires_grad(true)?;
        let (embeddings, features) = self.forward_by(towers, &views)?;
        let gradient_scale = if self.kind == Kind::Half {
            HALF_PRECISION_SCALE
        } else {
            1.0
        };
        Ok(Encoded {
            embeddings,
            pass: Pass::Torch {
                views,
                features,
                gradient_scale,
            },
        })
    }

    /// The features of views as [`Encoded::features`] gives them, without the layers after them.
    pub(crate) fn features(
        &self,
        towers: &TowerViews,
        views: &Tensor,
    ) -> Result<[Tensor; 2], TchError> {
        if let TowerViews::One(tower) = towers
            && let Some(native) = &self.native[*tower]
        {
            return native.features(views);
        }
        let features = || {
            let normalized = self.normalized(&views.f_to_device(self.device())?)?;
            let features = match towers {
                TowerViews::One(tower) => self.towers[*tower].features(&normalized)?,
                TowerViews::Several(order) => {
                    let parts = order.parts.iter().map(|(number, own)| {
                        self.towers[*number].features(&normalized.f_index_select(0, own)?)
                    });
                    let parts = parts.collect::<Result<_, _>>()?;
                    let places = Some(order.places.shallow_clone());
                    TowerFeatures { parts, places }.of_views()?
                }
            };
            in_fp32(features)
        };
        tch::no_grad(features)
    }

    fn normalized(&self, views: &Tensor) -> Result<Tensor, TchError> {
        views.f_sub(&self.mean)?.f_div(&self.std)
    }

    /// Views on the encoder's device to unit vectors and features.
    fn forward_by(
        &self,
        towers: &TowerViews,
        views: &Tensor,
    ) -> Result<(Tensor, TowerFeatures), TchError> {
        let normalized = self.normalized(views)?;
        let (embeddings, features) = match towers {
            TowerViews::One(tower) => {
                let (embeddings, features) = self.towers[*tower].forward(&normalized)?;
                let parts = vec![features];
                (
                    embeddings,
                    TowerFeatures {
                        parts,
                        places: None,
                    },
                )
            }
            TowerViews::Several(order) => self.forward_by_several(order, &normalized)?,
        };
        Ok((unit(&embeddings.f_to_kind(Kind::Float)?)?, features))
    }

    /// Encodes all views of each tower at once, and returns the embeddings in the order of the
    /// views.
    fn forward_by_several(
        &self,
        order: &TowerOrder,
        views: &Tensor,
    ) -> Result<(Tensor, TowerFeatures), TchError> {
        let parts = order
            .parts
            .iter()
            .map(|(number, own)| self.towers[*number].forward(&views.f_index_select(0, own)?));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let (embeddings, parts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let embeddings = Tensor::f_cat(&embeddings, 0)?.f_index_select(0, &order.places)?;
        let places = Some(order.places.shallow_clone());
        Ok((embeddings, TowerFeatures { parts, places }))
    }

    fn order(&self, towers: &[usize]) -> Result<TowerOrder, TchError> {
        let mut orders = self.orders.lock();
        if let Some(known) = orders.get(towers) {
            return Ok(known.share());
        }
        let order = TowerOrder::new(towers, self.device())?;
        orders.put(towers.to_vec(), order.share());
        Ok(order)
    }

    /// The number of towers.
    pub(super) fn tower_count(&self) -> usize {
        self.towers.len()
    }

    /// The device that holds the weights.
    pub(super) fn device(&self) -> Device {
        self.mean.device()
    }
}

/// The embeddings, scaled to length one.
pub(crate) fn unit(vectors: &Tensor) -> Result<Tensor, TchError> {
    let squares = vectors.f_mul(vectors)?.f_sum_dim_intlist(-1, true, None)?;
    vectors.f_div(&squares.f_sqrt()?)
}
