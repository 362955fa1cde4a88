//! From pictures to unit vectors, and back to the pictures' gradient.

pub(crate) mod vit;
pub(crate) mod resnet;
pub(crate) mod efficient_net;

use tch::{Device, Kind, TchError, Tensor};

use self::efficient_net::EfficientNet;
use self::resnet::ResNet;
use self::vit::VisionTransformer;
use crate::clip::checkpoint::detect::tower_branch;
use crate::clip::checkpoint::weights::{Frozen, Weights};
use crate::clip::config::{ClipConfig, ImageConfig};
use crate::clip::error::ClipError;

/// Half precision has too little range for the small gradients on their way down, so the loss is
/// multiplied by this power of two before and divided after, which changes no digit.
const HALF_PRECISION_SCALE: f64 = 256.0;

/// Pictures that one tower reads before it is the next one's turn. On the processor they share one thread,
/// so the number may not depend on the machine, or the bytes would.
pub(super) const VIEWS_TOGETHER: usize = 2;

/// Views that belong together.
#[derive(Debug, Clone, Copy)]
pub struct ViewGroup<'a> {
    /// `[N, 3, R, R]` values from 0 to 1.
    pub views: &'a [f32],
    /// What each view's embedding is multiplied with, `[N, E]`.
    pub directions: &'a Tensor,
    /// What else is asked of each view.
    pub contrast: Option<&'a Contrast>,
    /// Which tower's turn it is, of a model that has several: that of number `turn` modulo their number
    /// reads the first two views, the next one the next two. A group of no more than two views is read by one
    /// tower alone.
    pub turn: usize,
}

impl ViewGroup<'_> {
    fn count(&self) -> usize {
        self.directions.size()[0] as usize
    }
}

/// Asks that a view be taken for the opposite of its direction rather than for other things: to its
/// product is added `weight` times minus the logarithm of the share that the opposite has in a softmax over
/// itself and `others`.
#[derive(Debug)]
pub struct Contrast {
    /// Unit vectors of captions of other things, `[K, E]`.
    pub others: Tensor,
    /// What the cosines are multiplied with before the softmax.
    pub sharpness: f64,
    /// How much it counts beside the product.
    pub weight: f64,
}

impl Clone for Contrast {
    /// A copy that shares the captions, which never change.
    fn clone(&self) -> Self {
        Self {
            others: self.others.shallow_clone(),
            ..*self
        }
    }
}

impl Contrast {
    /// The contrast of each view, `[N]`, from embeddings `[N, E]` and their products with their
    /// directions, `[N]`.
    fn of(&self, embeddings: &Tensor, products: &Tensor) -> Result<Tensor, TchError> {
        let own = products.f_neg()?.f_unsqueeze(1)?;
        let others = embeddings.f_matmul(&self.others.f_to_device(embeddings.device())?.f_tr()?)?;
        let scores = Tensor::f_cat(&[own, others], 1)?.f_mul_scalar(self.sharpness)?;
        let shares = scores.f_log_softmax(-1, Kind::Float)?;
        shares.f_select(1, 0)?.f_mul_scalar(-self.weight)
    }
}

/// What [`Clip::score_views`](crate::clip::Clip::score_views) finds for a group of views.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ViewScores {
    /// The unit vector of each view, `[N, E]`.
    pub embeddings: Vec<f32>,
    /// The product of each view's embedding with its direction: their cosine, for a unit vector.
    pub cosines: Vec<f32>,
    /// The contrast of each view, times its weight; zero where there is none.
    pub contrasts: Vec<f32>,
    /// Gradient of each view's product and contrast with respect to its pixels, in the order of the views.
    pub gradient: Vec<f32>,
}

impl ViewScores {
    /// Adds the scores of further views.
    pub(crate) fn extend(&mut self, more: Self) {
        self.embeddings.extend(more.embeddings);
        self.cosines.extend(more.cosines);
        self.contrasts.extend(more.contrasts);
        self.gradient.extend(more.gradient);
    }
}

/// The image towers with the normalisation before them; clones share their weights.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    towers: Vec<ImageTower>,
    mean: Frozen,
    deviation: Frozen,
    side: i64,
    kind: Kind,
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

    /// Normalised pictures `[N, 3, R, R]` to embeddings `[N, E]` of any length.
    fn forward(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Transformer(tower) => tower.forward(pictures),
            Self::ResNet(tower) => tower.forward(pictures),
            Self::EfficientNet(tower) => tower.forward(pictures),
        }
    }
}

impl Reader {
    /// Reads `visual`, and what further towers there are.
    pub(crate) fn new(weights: &Weights<'_>, config: &ClipConfig) -> Result<Self, ClipError> {
        let towers = (0..config.towers)
            .map(|tower| ImageTower::new(&weights.at(tower_branch(tower)), config));
        let towers = towers.collect::<Result<_, _>>()?;
        let channels = |values: [f32; 3]| {
            weights
                .in_fp32()
                .place(&Tensor::from_slice(&values).reshape([1, 3, 1, 1]))
        };
        let (mean, deviation) = (channels(config.mean)?, channels(config.deviation)?);
        Ok(Self {
            towers,
            mean,
            deviation,
            side: config.side,
            kind: weights.kind(),
        })
    }

    /// Pictures `[N, 3, R, R]` from 0 to 1 to unit vectors `[N, E]`, both 32-bit, with gradient.
    pub(crate) fn read(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        self.read_by(&self.turns(0, pictures.size()[0] as usize), pictures)
    }

    /// A reader with no tower but the one of number `turn`.
    pub(crate) fn whose_turn_it_is(&self, turn: usize) -> Self {
        Self {
            towers: vec![self.towers[turn % self.towers.len()].clone()],
            mean: self.mean.clone(),
            deviation: self.deviation.clone(),
            ..*self
        }
    }

    /// The tower of each of `count` pictures, the first of which is read by the tower of number `turn`.
    fn turns(&self, turn: usize, count: usize) -> Vec<usize> {
        let tower = |picture: usize| (turn + picture / VIEWS_TOGETHER) % self.towers.len();
        (0..count).map(tower).collect()
    }

    /// [`Reader::read`], each picture being read by the tower of its number in `turns`.
    fn read_by(&self, turns: &[usize], pictures: &Tensor) -> Result<Tensor, TchError> {
        let pictures = pictures.f_to_device(self.mean.device())?;
        let normal = pictures.f_sub(&self.mean)?.f_div(&self.deviation)?;
        let embeddings = match turns {
            [tower, others @ ..] if others.iter().all(|other| other == tower) => {
                self.towers[*tower].forward(&normal)?
            }
            _ => self.share(turns, &normal)?,
        };
        unit(&embeddings.f_to_kind(Kind::Float)?)
    }

    /// Lets each tower read all pictures that are its own at once, and puts the embeddings in order.
    fn share(&self, turns: &[usize], pictures: &Tensor) -> Result<Tensor, TchError> {
        let mut order = Vec::new();
        let mut parts = Vec::new();
        for (number, tower) in self.towers.iter().enumerate() {
            let own: Vec<i64> = (0..)
                .zip(turns)
                .filter(|(_, turn)| **turn == number)
                .map(|(picture, _)| picture)
                .collect();
            if own.is_empty() {
                continue;
            }
            let places = Tensor::f_from_slice(&own)?.f_to_device(pictures.device())?;
            parts.push(tower.forward(&pictures.f_index_select(0, &places)?)?);
            order.extend(own);
        }
        let places = Tensor::f_from_slice(&order)?.f_argsort(0, false)?;
        Tensor::f_cat(&parts, 0)?.f_index_select(0, &places.f_to_device(pictures.device())?)
    }

    /// The scores of each group; the views of all of them go through the towers as one batch.
    pub(crate) fn score(&self, groups: &[ViewGroup<'_>]) -> Result<Vec<ViewScores>, TchError> {
        let device = self.mean.device();
        let shape = [-1, 3, self.side, self.side];
        let parts = groups
            .iter()
            .map(|group| Tensor::f_from_slice(group.views)?.f_reshape(shape));
        let pictures = Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 0)?;
        let pictures = pictures.f_to_device(device)?.f_set_requires_grad(true)?;
        let directions: Vec<_> = groups.iter().map(|group| group.directions).collect();
        let directions = Tensor::f_cat(&directions, 0)?.f_to_device(device)?;
        let turns: Vec<usize> = groups
            .iter()
            .flat_map(|group| self.turns(group.turn, group.count()))
            .collect();
        let embeddings = self.read_by(&turns, &pictures)?;
        let cosines = embeddings
            .f_mul(&directions)?
            .f_sum_dim_intlist(-1, false, None)?;
        let scale = if self.kind == Kind::Half {
            HALF_PRECISION_SCALE
        } else {
            1.0
        };
        let contrasts = contrasts(groups, &embeddings, &cosines)?;
        let total = cosines
            .f_add(&contrasts)?
            .f_sum(None)?
            .f_mul_scalar(scale)?;
        let gradient = Tensor::f_run_backward(&[total], &[&pictures], false, false)?;
        let gradient = gradient[0].f_mul_scalar(1.0 / scale)?;
        let mut first = 0;
        let mut scores = Vec::with_capacity(groups.len());
        for group in groups {
            let count = group.count() as i64;
            let own = |tensor: &Tensor| numbers(&tensor.f_narrow(0, first, count)?);
            scores.push(ViewScores {
                embeddings: own(&embeddings)?,
                cosines: own(&cosines)?,
                contrasts: own(&contrasts)?,
                gradient: own(&gradient)?,
            });
            first += count;
        }
        Ok(scores)
    }
}

/// The contrast of every view of every group, `[N]`.
fn contrasts(
    groups: &[ViewGroup<'_>],
    embeddings: &Tensor,
    products: &Tensor,
) -> Result<Tensor, TchError> {
    let mut first = 0;
    let mut parts = Vec::with_capacity(groups.len());
    for group in groups {
        let count = group.count() as i64;
        let own = products.f_narrow(0, first, count)?;
        parts.push(match group.contrast {
            Some(contrast) => contrast.of(&embeddings.f_narrow(0, first, count)?, &own)?,
            None => own.f_zeros_like()?,
        });
        first += count;
    }
    Tensor::f_cat(&parts, 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::checkpoint::weights::Origin;

    #[test]
    fn groups_in_one_batch_are_read_by_the_towers_whose_turn_it_is() {
        let config = ClipConfig::tiny_towers();
        let weights = Weights::new(Origin::Random(1), Device::Cpu, Kind::Float);
        let reader = Reader::new(&weights, &config).unwrap();
        let picture = (3 * config.side * config.side) as usize;
        let views: Vec<f32> = (0..5 * picture)
            .map(|place| (place * 7919 % 255) as f32 / 255.0)
            .collect();
        let directions = Tensor::ones([5, config.embedding], (Kind::Float, Device::Cpu));
        let group = |first: usize, count: usize, turn: usize| {
            let views = &views[first * picture..(first + count) * picture];
            (views, directions.narrow(0, 0, count as i64), turn)
        };
        let score = |groups: &[(&[f32], Tensor, usize)]| {
            let groups: Vec<_> = groups
                .iter()
                .map(|(views, directions, turn)| ViewGroup {
                    views,
                    directions,
                    contrast: None,
                    turn: *turn,
                })
                .collect();
            reader.score(&groups).unwrap()
        };
        let together = score(&[group(0, 3, 0), group(3, 2, 1)]);
        let alone = |first, count, turn| score(&[group(first, count, turn)]).remove(0);
        let mut first = alone(0, 2, 0);
        first.extend(alone(2, 1, 1));
        let second = alone(3, 2, 1);
        for (found, expected) in together.iter().zip([first, second]) {
            for (found, expected) in [
                (&found.embeddings, expected.embeddings),
                (&found.gradient, expected.gradient),
            ] {
                let found = Tensor::from_slice(found);
                let difference = (&found - Tensor::from_slice(&expected)).abs().max();
                let (difference, largest) = (difference.double_value(&[]), found.abs().max());
                assert!(
                    difference < 1e-4 * largest.double_value(&[]),
                    "{difference}"
                );
            }
        }
        let other = alone(3, 2, 0);
        let differs = (Tensor::from_slice(&other.embeddings)
            - Tensor::from_slice(&together[1].embeddings))
        .abs()
        .max();
        assert!(differs.double_value(&[]) > 1e-3, "the towers are the same");
    }
}
