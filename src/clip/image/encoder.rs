//! The image encoder: the normalization, the image towers, and the scaling of embeddings.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::encoded::{Encoded, Pass, in_fp32};
use super::native::{Native, NativePass};
use super::order::{TowerOrder, TowerViews};
use super::tower::{LibtorchTower, TowerBackend, Towers, encode_natively};
use crate::clip::checkpoint::weights::{Frozen, Weights};
use crate::clip::config::ClipConfig;
use crate::clip::error::ClipError;

/// Half precision has too little range for the small gradients of the lower layers, so the loss is
/// multiplied by this power of two before the backward pass, and the gradient is divided by it
/// afterwards. This is exact.
const HALF_PRECISION_SCALE: f64 = 256.0;

/// Views that one tower encodes before the next one takes over. On a CPU they share one thread in most drawings, so
/// the number must not depend on the machine; otherwise the results would.
pub(super) const VIEWS_PER_TOWER: usize = 2;

/// How many orders are kept. Drawings that go on together have as many as there are towers.
const KEPT_ORDERS: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

/// The image towers with the normalization before them; clones share their weights.
#[derive(Debug, Clone)]
pub(crate) struct ImageEncoder {
    towers: Towers,
    mean: Frozen,
    std: Frozen,
    kind: Kind,
    orders: Arc<Mutex<LruCache<Vec<usize>, TowerOrder>>>,
}

impl ImageEncoder {
    /// Reads `visual` and any further towers.
    pub(crate) fn new(
        weights: &Weights<'_>,
        config: &ClipConfig,
        backend: TowerBackend,
    ) -> Result<Self, ClipError> {
        let channels = |values: [f32; 3]| {
            weights
                .in_fp32()
                .place(&Tensor::from_slice(&values).reshape([1, 3, 1, 1]))
        };
        Ok(Self {
            towers: Towers::new(weights, config, backend)?,
            mean: channels(config.mean)?,
            std: channels(config.std)?,
            kind: weights.kind(),
            orders: Arc::new(Mutex::new(LruCache::new(KEPT_ORDERS))),
        })
    }

    /// Views `[N, 3, R, R]` from 0 to 1 to unit vectors `[N, E]`, both 32-bit, with gradient if libtorch computes them. The
    /// first tower encodes the first two views, the next one the next two, and so on.
    pub(crate) fn forward(&self, views: &Tensor) -> Result<Tensor, TchError> {
        let views = views.f_to_device(self.device())?;
        let order = self.views_of(&self.towers_of(0, views.size()[0] as usize))?;
        match &self.towers {
            Towers::Libtorch(towers) => Ok(self.forward_by(towers, &order, &views)?.0),
            Towers::Native(towers) => {
                let (embeddings, passes) = encode_natively(towers, &order, &views)?;
                passes.into_iter().for_each(NativePass::keep_memory);
                unit(&embeddings)
            }
        }
    }

    /// An encoder with only one of the towers, the one with the number `tower` modulo their number.
    pub(super) fn single_tower(&self, tower: usize) -> Self {
        Self {
            towers: self.towers.single(tower % self.tower_count()),
            mean: self.mean.clone(),
            std: self.std.clone(),
            orders: Arc::clone(&self.orders),
            ..*self
        }
    }

    /// The tower of each of `count` views; the first view goes to tower `first` modulo the number of
    /// towers.
    pub(super) fn towers_of(&self, first: usize, count: usize) -> Vec<usize> {
        let tower = |view: usize| (first + view / VIEWS_PER_TOWER) % self.tower_count();
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
        matches!(self.towers, Towers::Native(_))
    }

    /// Whether one batch keeps all threads busy, so that batches need not run at once.
    pub(super) fn shares_threads(&self) -> bool {
        match &self.towers {
            Towers::Native(towers) => towers.iter().all(Native::shares_threads),
            Towers::Libtorch(_) => false,
        }
    }

    /// Encodes views, and keeps what the backward pass needs.
    pub(super) fn encode(&self, order: &TowerViews, views: &Tensor) -> Result<Encoded, TchError> {
        let order = order.share();
        match &self.towers {
            Towers::Native(towers) => {
                let (embeddings, passes) = encode_natively(towers, &order, views)?;
                let unscaled = embeddings.f_set_requires_grad(true)?;
                Ok(Encoded {
                    embeddings: unit(&unscaled)?,
                    towers: order,
                    pass: Pass::Native { passes, unscaled },
                })
            }
            Towers::Libtorch(towers) => {
                let views = views
                    .f_to_device(self.device())?
                    .f_detach()?
                    .f_set_requires_grad(true)?;
                let (embeddings, features) = self.forward_by(towers, &order, &views)?;
                let gradient_scale = if self.kind == Kind::Half {
                    HALF_PRECISION_SCALE
                } else {
                    1.0
                };
                Ok(Encoded {
                    embeddings,
                    towers: order,
                    pass: Pass::Libtorch {
                        views,
                        features,
                        gradient_scale,
                    },
                })
            }
        }
    }

    /// The features of views as [`Encoded::features`] gives them, without the layers after them.
    pub(crate) fn features(
        &self,
        order: &TowerViews,
        views: &Tensor,
    ) -> Result<[Tensor; 2], TchError> {
        match &self.towers {
            Towers::Native(towers) => {
                let parts = order.divide(views)?.into_iter();
                let parts = parts.map(|(tower, own)| towers[tower].features(&own));
                order.join_features(&parts.collect::<Result<Vec<_>, _>>()?)
            }
            Towers::Libtorch(towers) => tch::no_grad(|| {
                let normalized = self.normalized(&views.f_to_device(self.device())?)?;
                let parts = order.divide(&normalized)?.into_iter();
                let parts = parts.map(|(tower, own)| towers[tower].features(&own));
                in_fp32(order.join_features(&parts.collect::<Result<Vec<_>, _>>()?)?)
            }),
        }
    }

    fn normalized(&self, views: &Tensor) -> Result<Tensor, TchError> {
        views.f_sub(&self.mean)?.f_div(&self.std)
    }

    /// Views on the encoder's device to unit vectors, and the features of the views of each tower.
    fn forward_by(
        &self,
        towers: &[LibtorchTower],
        order: &TowerViews,
        views: &Tensor,
    ) -> Result<(Tensor, Vec<[Tensor; 2]>), TchError> {
        let parts = order.divide(&self.normalized(views)?)?.into_iter();
        let parts = parts.map(|(tower, own)| towers[tower].forward(&own));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let (embeddings, features): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let embeddings = order.join(&embeddings)?;
        Ok((unit(&embeddings.f_to_kind(Kind::Float)?)?, features))
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

    /// What computes the towers.
    pub(crate) fn backend(&self) -> TowerBackend {
        self.towers.backend()
    }

    /// The number of towers.
    pub(super) fn tower_count(&self) -> usize {
        self.towers.count()
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
