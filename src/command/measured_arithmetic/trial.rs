//! How fast and how exact a model is in one arithmetic beside another one, which decides how it is computed on a processor.

use std::time::{Duration, Instant};

use tch::{Device, Kind, TchError, Tensor};

use crate::check::cosine;
use crate::clip::{
    Arithmetic, Clip, ClipConfig, ClipError, ImageConfig, TransformerSize, ViewGroup,
    forward_backward,
};
use crate::compute::to_host;

/// Views of a pass, as many as a drawing has by default.
pub(super) const VIEWS: i64 = 4;

/// Passes of each model whose time counts. One before them does not: it builds kernels and fills caches.
const TIMED_PASSES: usize = 3;

/// A text whose embedding the views are compared with.
const PROMPT: &str = "a drawing";

/// Two copies of a sample of a model in comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    /// The shortest forward and backward pass of the reference.
    pub(super) reference_time: Duration,
    /// The shortest forward and backward pass of the other copy.
    pub(super) time: Duration,
}

impl Trial {
    /// Measures a sample of a model in one arithmetic beside a sample in another one.
    ///
    /// # Errors
    /// If there is too little memory, or a pass fails.
    pub(super) fn new(
        config: &ClipConfig,
        reference: Arithmetic,
        other: Arithmetic,
    ) -> Result<Self, ClipError> {
        let sample = |Arithmetic { precision, backend }: Arithmetic| {
            let config = sample(config);
            let kind = precision.kind(Device::Cpu, config.image.tower_kind());
            Clip::random_on(config, 1, Device::Cpu, kind, backend)
        };
        let (reference, other) = (sample(reference)?, sample(other)?);
        let views = views(&reference)?;
        let mut trial = Self {
            reference_time: Duration::MAX,
            time: Duration::MAX,
        };
        for number in 0..=TIMED_PASSES {
            // In turns, so that other work of the machine slows both down.
            let times = [&reference, &other].map(|clip| timed_pass(clip, &views));
            let [reference_time, time] = times;
            let (reference_time, time) = (reference_time?, time?);
            if number > 0 {
                trial.reference_time = trial.reference_time.min(reference_time);
                trial.time = trial.time.min(time);
            }
        }
        Ok(trial)
    }
}

/// The same model with a single block in its image tower. All blocks take the same time, and their weights do not change it.
fn sample(config: &ClipConfig) -> ClipConfig {
    let image = match config.image {
        ImageConfig::Transformer(size) => {
            ImageConfig::Transformer(TransformerSize { layers: 1, ..size })
        }
        other => other,
    };
    ClipConfig {
        image,
        text: ClipConfig::tiny_transformer().text,
        ..config.clone()
    }
}

/// The cosine of the gradients of two copies of a model on the same views, -1 to 1.
///
/// # Errors
/// If a pass fails.
pub(super) fn cosine_of_gradients(reference: &Clip, other: &Clip) -> Result<f64, ClipError> {
    let views = views(reference)?;
    Ok(cosine(&pass(other, &views)?, &pass(reference, &views)?))
}

/// Views `[VIEWS, 3, side, side]` of waves, 0 to 1.
fn views(clip: &Clip) -> Result<Tensor, ClipError> {
    waves(clip.input_size()).map_err(ClipError::while_doing("making views to measure"))
}

fn waves(side: i64) -> Result<Tensor, TchError> {
    let numbers = Tensor::f_arange(VIEWS * 3 * side * side, (Kind::Float, Device::Cpu))?;
    numbers
        .f_mul_scalar(0.37)?
        .f_sin()?
        .f_mul_scalar(0.5)?
        .f_add_scalar(0.5)?
        .f_view([VIEWS, 3, side, side])
}

fn timed_pass(clip: &Clip, views: &Tensor) -> Result<Duration, ClipError> {
    let start = Instant::now();
    pass(clip, views)?;
    Ok(start.elapsed())
}

/// The gradient of the similarity of the views and a text with respect to the views.
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
    use crate::compute::Precision;

    fn random(seed: u64, kind: Kind) -> Clip {
        Clip::random(ClipConfig::tiny_transformer(), seed, Device::Cpu, kind).unwrap()
    }

    #[test]
    fn the_gradients_of_equal_models_agree_and_those_of_others_do_not() {
        let clip = random(1, Kind::Float);
        let cosine = |other: &Clip| cosine_of_gradients(&clip, other).unwrap();
        let same = cosine(&random(1, Kind::Float));
        assert!((same - 1.0).abs() < 1e-9, "{same}");
        let half = cosine(&random(1, Kind::BFloat16));
        assert!(half > 0.99 && half < 1.0 - 1e-9, "{half}");
        let other = cosine(&random(2, Kind::Float));
        assert!(other.abs() < 0.9, "{other}");
    }

    #[test]
    fn a_sample_has_one_block_of_the_same_size() {
        let config = ClipConfig::preset("ViT-B/32").unwrap();
        let sample = sample(&config);
        let ImageConfig::Transformer(size) = sample.image else {
            panic!("no transformer: {sample:?}");
        };
        assert_eq!((size.layers, size.width, size.patch), (1, 768, 32));
        assert_eq!(sample.image_size, config.image_size);
        let arithmetic = Arithmetic::from(Precision::Fp32);
        let config = ClipConfig::tiny_transformer();
        let trial = Trial::new(&config, arithmetic, arithmetic).unwrap();
        assert!(trial.time > Duration::ZERO && trial.time < Duration::MAX);
        assert!(trial.reference_time > Duration::ZERO && trial.reference_time < Duration::MAX);
    }
}
