//! Which views go through the image encoder together.
//!
//! libtorch divides a sum among its threads, and the order of summation also depends on the number of
//! rows. So the last bits of an embedding depend on the batch and on the number of threads. On a CPU,
//! a batch is therefore always two views of one drawing on one thread, or one view if the drawing has fewer than
//! four, and the batches run in parallel:
//!
//! ```text
//! drawing 0: 5 views   [0 1] [2 3] [4]      tower 0, 1, 0    (two towers, first tower 0)
//! drawing 1: 2 views   [0] [1]              tower 1, 1       (first tower 1)
//! ```
//!
//! The same views then give the same bytes for any number of threads, whatever else is drawn at the
//! same time. An encoder that does without libtorch gives every view the same bits in every batch. A small tower's views
//! are encoded one by one if there is a thread for each; a large one shares the work within a batch among all threads, and
//! its batches run one after another. On a GPU all views of all drawings are one batch.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tch::{Device, TchError, Tensor};

use super::encoded::{Encoded, EncodedGradient};
use super::encoder::{ImageEncoder, VIEWS_PER_TOWER};
use super::order::TowerViews;
use crate::clip::error::ClipError;
use crate::compute::library;

/// The views of one drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewGroup {
    /// The number of views.
    pub count: usize,
    /// If the model has several towers, the one with the number `first_tower` modulo their number encodes
    /// the first two views. The next tower encodes the next two views, and so on. A group of at most two
    /// views is encoded by one tower alone.
    pub first_tower: usize,
}

/// The views of one group in one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchPart {
    /// The group's index.
    pub group: usize,
    /// Which views of the batch they are.
    pub views: Range<i64>,
    /// The index of the first of them among the views of the group.
    pub first: usize,
    /// The number of the tower that encodes each of them.
    pub towers: Vec<usize>,
}

/// Views that are encoded together. A batch can be sent to another thread.
#[derive(Debug)]
pub struct EncoderBatch {
    encoder: ImageEncoder,
    towers: TowerViews,
    views: Range<i64>,
    parts: Vec<BatchPart>,
}

/// The number of views in a batch of a drawing with `count` views, on a CPU.
///
/// Two views together cost less than twice one view, but a drawing with fewer than four views would then keep only
/// one core busy for a part of the time. The number depends on the request and never on the machine, so that the bytes
/// of a drawing do not either.
fn views_per_batch(count: usize) -> usize {
    const FEWEST_FOR_PAIRS: usize = 4;
    if count < FEWEST_FOR_PAIRS {
        1
    } else {
        VIEWS_PER_TOWER
    }
}

/// The number of views in a batch that all threads share: enough that reading the weights costs little, and few enough
/// that the memory of a pass stays that of two pairs.
const VIEWS_OF_ALL_THREADS: usize = 4;

impl EncoderBatch {
    /// Divides the views of all groups, which lie one after the other in one tensor, into batches.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(in crate::clip) fn divide(
        encoder: &ImageEncoder,
        groups: &[ViewGroup],
    ) -> Result<Vec<Self>, ClipError> {
        if encoder.device() == Device::Cpu {
            Ok(Self::of_few_views(encoder, groups))
        } else {
            let all = Self::all(encoder, groups)
                .map_err(ClipError::while_doing("dividing views among towers"))?;
            Ok(vec![all])
        }
    }

    /// A copy that shares the tensors, which never change.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            encoder: self.encoder.clone(),
            towers: self.towers.share(),
            views: self.views.clone(),
            parts: self.parts.clone(),
        }
    }

    /// A few views of one group in each batch.
    fn of_few_views(encoder: &ImageEncoder, groups: &[ViewGroup]) -> Vec<Self> {
        let all: usize = groups.iter().map(|group| group.count).sum();
        let is_shared = encoder.shares_threads() && encoder.tower_count() == 1;
        let one_by_one = !encoder.shares_threads()
            && encoder.is_independent_of_batch()
            && all <= rayon::current_num_threads();
        let mut batches = Vec::new();
        let mut first = 0;
        for (index, group) in groups.iter().enumerate() {
            let length = if is_shared {
                VIEWS_OF_ALL_THREADS
            } else if one_by_one {
                1
            } else {
                views_per_batch(group.count)
            };
            for start in (0..group.count).step_by(length) {
                let count = length.min(group.count - start);
                let tower = group.first_tower + start / VIEWS_PER_TOWER;
                let part = BatchPart {
                    group: index,
                    views: 0..count as i64,
                    first: start,
                    towers: vec![tower % encoder.tower_count(); count],
                };
                let start = first + start as i64;
                batches.push(Self {
                    encoder: encoder.single_tower(tower),
                    towers: TowerViews::One(0),
                    views: start..start + count as i64,
                    parts: vec![part],
                });
            }
            first += group.count as i64;
        }
        batches
    }

    /// All views as one batch.
    pub(in crate::clip) fn all(
        encoder: &ImageEncoder,
        groups: &[ViewGroup],
    ) -> Result<Self, TchError> {
        let mut parts = Vec::with_capacity(groups.len());
        let mut towers = Vec::new();
        let mut first = 0;
        for (index, group) in groups.iter().enumerate() {
            let own = encoder.towers_of(group.first_tower, group.count);
            towers.extend_from_slice(&own);
            let end = first + group.count as i64;
            parts.push(BatchPart {
                group: index,
                views: first..end,
                first: 0,
                towers: own,
            });
            first = end;
        }
        Ok(Self {
            encoder: encoder.clone(),
            towers: encoder.views_of(&towers)?,
            views: 0..first,
            parts,
        })
    }

    /// To which groups its views belong, in order.
    pub fn parts(&self) -> &[BatchPart] {
        &self.parts
    }

    /// Encodes its views, `[n, 3, R, R]`, on the calling thread.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(in crate::clip) fn encode(&self, views: &Tensor) -> Result<Encoded, ClipError> {
        if self.encoder.device() == Device::Cpu {
            library::use_one_thread();
        }
        self.encoder
            .encode(&self.towers, views)
            .map_err(ClipError::while_doing("encoding views"))
    }

    /// The features of other views, `[n, 3, R, R]`, as [`Encoded::features`] gives them. The towers that encode the views of a
    /// part of this batch encode these, without gradient, on the calling thread.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn features(&self, part: &BatchPart, views: &Tensor) -> Result<[Tensor; 2], ClipError> {
        let features = || match &self.towers {
            TowerViews::One(tower) => self.encoder.features(&TowerViews::One(*tower), views),
            TowerViews::Several(_) => {
                let towers = self.encoder.views_of(&part.towers)?;
                self.encoder.features(&towers, views)
            }
        };
        features().map_err(ClipError::while_doing(
            "computing the features of a picture",
        ))
    }
}

/// Encodes each batch, asks `evaluate` for the gradient of a loss with respect to its embeddings, and pulls
/// that back to the batch's views. `views` are those of all groups, `[N, 3, R, R]`. Each batch comes with a
/// value of the caller, which is sent to the thread that encodes the batch.
///
/// Returns what `evaluate` returned and the gradient with respect to the views, `[n, 3, R, R]`, in the order
/// of the batches. On a CPU the batches run in parallel, and memory holds at most one graph per thread; those of a tower
/// that shares its work among all threads run one after another.
///
/// # Errors
/// When libtorch fails, or `evaluate` does.
pub fn forward_backward<S, T>(
    views: &Tensor,
    batches: Vec<(EncoderBatch, S)>,
    evaluate: impl Fn(&EncoderBatch, &Tensor, S) -> Result<(T, Tensor), ClipError> + Sync,
) -> Result<Vec<(T, Tensor)>, ClipError>
where
    S: Send,
    T: Send,
{
    forward_backward_all(views, batches, |batch, encoded, state| {
        let (outcome, gradient) = evaluate(batch, &encoded.embeddings(), state)?;
        Ok((outcome, gradient.into()))
    })
}

/// As [`forward_backward`], for a loss that may depend on the features of views as well.
///
/// # Errors
/// When libtorch fails, or `evaluate` does.
pub fn forward_backward_all<S, T>(
    views: &Tensor,
    batches: Vec<(EncoderBatch, S)>,
    evaluate: impl Fn(&EncoderBatch, &Encoded, S) -> Result<(T, EncodedGradient), ClipError> + Sync,
) -> Result<Vec<(T, Tensor)>, ClipError>
where
    S: Send,
    T: Send,
{
    let run = |(batch, views, state): (EncoderBatch, Tensor, S)| {
        let encoded = batch.encode(&views)?;
        let (outcome, gradient) = evaluate(&batch, &encoded, state)?;
        Ok((outcome, encoded.pull_back_all(&gradient)?))
    };
    let with_views = |(batch, state): (EncoderBatch, S)| -> Result<_, TchError> {
        let length = batch.views.end - batch.views.start;
        let own = views.f_narrow(0, batch.views.start, length)?;
        Ok((batch, own, state))
    };
    let work = batches.into_iter().map(with_views);
    let work = work
        .collect::<Result<Vec<_>, _>>()
        .map_err(ClipError::while_doing("dividing views into batches"))?;
    // State of a device can be thread-local, so a single batch stays on this thread. So do batches that use all threads
    // themselves.
    let is_shared = |(batch, ..): &(EncoderBatch, Tensor, S)| batch.encoder.shares_threads();
    if work.len() <= 1 || work.iter().all(is_shared) {
        return work.into_iter().map(run).collect();
    }
    work.into_par_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::clip::checkpoint::weights::{Origin, Weights};
    use crate::clip::config::ClipConfig;
    use crate::clip::image::TowerBackend;

    fn encoder(config: &ClipConfig) -> ImageEncoder {
        let weights = Weights::new(Origin::Random(1), Device::Cpu, Kind::Float);
        ImageEncoder::new(&weights, config, TowerBackend::Native).unwrap()
    }

    const GROUPS: [ViewGroup; 2] = [
        ViewGroup {
            count: 5,
            first_tower: 0,
        },
        ViewGroup {
            count: 2,
            first_tower: 1,
        },
    ];

    #[test]
    fn on_the_processor_two_views_of_one_drawing_share_a_batch_unless_it_has_few() {
        let encoder = encoder(&ClipConfig::tiny_resnet());
        let batches = |groups: &[ViewGroup]| {
            let batches = EncoderBatch::of_few_views(&encoder, groups);
            let describe = |batch: &EncoderBatch| (batch.parts[0].group, batch.views.clone());
            batches.iter().map(describe).collect::<Vec<_>>()
        };
        assert_eq!(
            batches(&GROUPS),
            [(0, 0..2), (0, 2..4), (0, 4..5), (1, 5..6), (1, 6..7)]
        );
        let three = ViewGroup {
            count: 3,
            first_tower: 0,
        };
        assert_eq!(batches(&[three]), [(0, 0..1), (0, 1..2), (0, 2..3)]);
    }

    #[test]
    fn views_that_no_batch_changes_are_encoded_one_by_one_if_there_is_a_thread_for_each() {
        let four = ViewGroup {
            count: 4,
            first_tower: 1,
        };
        let lengths = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let batches = pool.build().unwrap().install(|| {
                let encoder = encoder(&ClipConfig::tiny_towers());
                let batches = EncoderBatch::of_few_views(&encoder, &[four]);
                let views = batches.iter().map(|batch| batch.views.clone());
                views.collect::<Vec<_>>()
            });
            batches
                .into_iter()
                .map(|views| views.end - views.start)
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(3), [2, 2]);
        assert_eq!(lengths(4), [1; 4]);
    }

    #[test]
    fn one_batch_of_several_groups_gives_what_small_batches_give() {
        let config = ClipConfig::tiny_towers();
        let encoder = encoder(&config);
        // The same views in every run: at a kink of ReLU6 the last bits decide about the gradient.
        let side = config.image_size;
        let views = Tensor::arange(7 * 3 * side * side, (Kind::Float, Device::Cpu));
        let views = ((views.sin() + 1.0) / 2.0).reshape([7, 3, side, side]);
        let gradient = Tensor::ones([7, config.embed_dim], (Kind::Float, Device::Cpu));
        let run = |batches: Vec<EncoderBatch>| {
            let batches = batches.into_iter().map(|batch| {
                let length = batch.views.end - batch.views.start;
                let gradient = gradient.narrow(0, batch.views.start, length);
                (batch, gradient)
            });
            let results = forward_backward(&views, batches.collect(), |_, embeddings, gradient| {
                Ok((embeddings.shallow_clone(), gradient))
            });
            let (embeddings, gradients): (Vec<_>, Vec<_>) = results.unwrap().into_iter().unzip();
            [Tensor::cat(&embeddings, 0), Tensor::cat(&gradients, 0)]
        };
        let small = run(EncoderBatch::of_few_views(&encoder, &GROUPS));
        let together = run(vec![EncoderBatch::all(&encoder, &GROUPS).unwrap()]);
        for (found, expected) in together.iter().zip(&small) {
            let largest = expected.abs().max().double_value(&[]);
            let difference = (found - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-4 * largest, "{difference} of {largest}");
        }
        let others = GROUPS.map(|group| ViewGroup {
            first_tower: 0,
            ..group
        });
        let other = run(vec![EncoderBatch::all(&encoder, &others).unwrap()]);
        let differs = (&other[0] - &together[0]).abs().max().double_value(&[]);
        assert!(differs > 1e-3, "the towers are the same");
    }
}
