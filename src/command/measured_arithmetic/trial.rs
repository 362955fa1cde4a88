//! How fast and how exact one copy of a model is beside another one, which decides how it is computed on a processor.

use std::time::{Duration, Instant};

use tch::{Device, Kind, TchError, Tensor};

use crate::check::cosine;
use crate::clip::{Clip, ClipError, ViewGroup, forward_backward};
use crate::compute::to_host;

/// Views of a pass, as many as a drawing has by default.
pub(super) const VIEWS: i64 = 4;

/// Passes of each model whose time counts. One before them does not: it builds kernels and fills caches.
const TIMED_PASSES: usize = 2;

/// A text whose embedding the views are compared with.
const PROMPT: &str = "a drawing";

/// Two copies of a model in comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    /// The shortest forward and backward pass of the reference.
    pub(super) reference_time: Duration,
    /// The shortest forward and backward pass of the other copy.
    pub(super) time: Duration,
    /// The cosine of the gradients on views, -1 to 1.
    pub(super) cosine: f64,
}

impl Trial {
    /// Measures a copy of a model, for example in another precision, beside a reference.
    ///
    /// # Errors
    /// If a pass fails.
    pub(super) fn new(reference: &Clip, other: &Clip) -> Result<Self, ClipError> {
        let side = reference.input_size();
        let views = views(side).map_err(ClipError::while_doing("making views to measure"))?;
        let (expected, _) = timed_pass(reference, &views)?;
        let (found, _) = timed_pass(other, &views)?;
        let mut trial = Self {
            reference_time: Duration::MAX,
            time: Duration::MAX,
            cosine: cosine(&found, &expected),
        };
        // In turns, so that other work of the machine slows both down.
        for _ in 0..TIMED_PASSES {
            trial.reference_time = trial.reference_time.min(timed_pass(reference, &views)?.1);
            trial.time = trial.time.min(timed_pass(other, &views)?.1);
        }
        Ok(trial)
    }
}

/// Views `[VIEWS, 3, side, side]` of waves, 0 to 1.
fn views(side: i64) -> Result<Tensor, TchError> {
    let numbers = Tensor::f_arange(VIEWS * 3 * side * side, (Kind::Float, Device::Cpu))?;
    numbers
        .f_mul_scalar(0.37)?
        .f_sin()?
        .f_mul_scalar(0.5)?
        .f_add_scalar(0.5)?
        .f_view([VIEWS, 3, side, side])
}

/// The gradient of the similarity of the views and a text with respect to the views, and the time that it takes.
fn timed_pass(clip: &Clip, views: &Tensor) -> Result<(Vec<f32>, Duration), ClipError> {
    let start = Instant::now();
    let gradient = pass(clip, views)?;
    Ok((gradient, start.elapsed()))
}

fn pass(clip: &Clip, views: &Tensor) -> Result<Vec<f32>, ClipError> {
    let text = clip.embed_text(PROMPT)?;
    let group = ViewGroup {
        count: VIEWS as usize,
        first_tower: 0,
    };
    let batches = clip.batches(&[group])?.into_iter();
    let batches = batches.map(|batch| (batch, text.shallow_clone()));
    let parts = forward_backward(views, batches.collect(), |_, embeddings, text| {
        let gradient = text.f_expand_as(embeddings);
        Ok((
            (),
            gradient.map_err(ClipError::while_doing("comparing views with a text"))?,
        ))
    })?;
    let parts = parts.iter().map(|((), gradient)| to_host(gradient));
    let parts = parts.collect::<Result<Vec<_>, _>>();
    Ok(parts
        .map_err(ClipError::while_doing("reading a gradient"))?
        .concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::ClipConfig;

    fn random(seed: u64, kind: Kind) -> Clip {
        Clip::random(ClipConfig::tiny_transformer(), seed, Device::Cpu, kind).unwrap()
    }

    #[test]
    fn the_gradients_of_equal_models_agree_and_those_of_others_do_not() {
        let clip = random(1, Kind::Float);
        let same = Trial::new(&clip, &random(1, Kind::Float)).unwrap();
        assert!((same.cosine - 1.0).abs() < 1e-9, "{}", same.cosine);
        assert!(same.time > Duration::ZERO && same.reference_time > Duration::ZERO);
        let half = Trial::new(&clip, &random(1, Kind::BFloat16)).unwrap();
        assert!(
            half.cosine > 0.99 && half.cosine < 1.0 - 1e-9,
            "{}",
            half.cosine
        );
        let other = Trial::new(&clip, &random(2, Kind::Float)).unwrap();
        assert!(other.cosine.abs() < 0.9, "{}", other.cosine);
    }
}
