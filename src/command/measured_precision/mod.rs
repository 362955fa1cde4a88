//! The precision that `auto` means for transformers on a processor: bf16 where a measurement shows that it is faster and
//! exact enough, else fp32.
//!
//! What is compared is a pass of the default number of views as a drawing would make it on this machine: in fp32 all threads
//! share it, while in bf16 libtorch encodes each pair of views on one thread, so that more than two cores would be idle.
//!
//! A model is measured once, when it is loaded for the first time. The result is kept in the user's cache folder, so that
//! the same machine always computes alike, and the same seed gives the same bytes.

mod trial;

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tch::Device;

use self::trial::{Trial, VIEWS};
use super::atomic_file::write_file;
use crate::clip::{Clip, ClipConfig, ClipError, ImageConfig, LoadOptions, WeightsSource};
use crate::compute::{Precision, library, processor};
use crate::environment;
use crate::errors::chain;

/// bf16 has to be faster than fp32 by this factor: a smaller gain would be within the noise of a short measurement.
const MIN_SPEEDUP: f64 = 1.2;

/// The smallest cosine of a gradient in bf16 with that in fp32. ViT-B/32 has 0.99992 (random weights).
const MIN_COSINE: f64 = 0.999;

/// The width of the smallest transformers that are measured, that of CLIP's smallest one. Products of smaller matrices
/// gain nothing.
const MIN_WIDTH: i64 = 512;

/// What was measured of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Measurement {
    /// The processor.
    processor: String,
    /// The version of libtorch.
    libtorch: String,
    /// The name of the model, which tells its sizes.
    model: String,
    /// The views of a pass.
    views: i64,
    /// A pass in fp32, in seconds.
    fp32_seconds: f64,
    /// The same in bf16.
    bf16_seconds: f64,
    /// Of the gradients on views.
    cosine: f64,
}

impl Measurement {
    fn new(model: String, trial: &Trial) -> Self {
        Self {
            processor: processor::name(),
            libtorch: library::LIBTORCH_VERSION.to_owned(),
            model,
            views: VIEWS,
            fp32_seconds: trial.reference_time.as_secs_f64(),
            bf16_seconds: trial.time.as_secs_f64(),
            cosine: trial.cosine,
        }
    }

    /// Whether it was made on this machine.
    fn is_current(&self) -> bool {
        self.processor == processor::name() && self.libtorch == library::LIBTORCH_VERSION
    }

    fn precision(&self) -> Precision {
        // A cosine that is not a number is not large enough.
        let is_faster = self.fp32_seconds >= MIN_SPEEDUP * self.bf16_seconds;
        if is_faster && self.cosine >= MIN_COSINE {
            Precision::Bf16
        } else {
            Precision::Fp32
        }
    }

    fn describe(&self) -> String {
        format!(
            "{}: {} ({} views in fp32 {:.3} s, in bf16 {:.3} s, cosine of the gradients {:.5})",
            self.model,
            self.precision(),
            self.views,
            self.fp32_seconds,
            self.bf16_seconds,
            self.cosine
        )
    }
}

/// The measurements in a file.
#[derive(Debug)]
struct Measurements {
    file: Option<PathBuf>,
    all: Vec<Measurement>,
}

impl Measurements {
    /// Those of this user. A file that cannot be read counts as empty: what it lacks is measured again.
    fn of_user() -> Self {
        let file = environment::user_cache_folder();
        Self::in_file(file.map(|folder| folder.join("clipdraw/precision.json")))
    }

    fn in_file(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().and_then(|file| fs::read(file).ok());
        let all = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            file,
            all: all.unwrap_or_default(),
        }
    }

    /// The measurement of a model on this machine.
    fn find(&self, model: &str) -> Option<&Measurement> {
        let mut all = self.all.iter();
        all.find(|measurement| measurement.model == model && measurement.is_current())
    }

    /// Keeps a measurement for later runs.
    fn add(&mut self, measurement: Measurement) -> anyhow::Result<()> {
        self.all.push(measurement);
        let Some(file) = &self.file else {
            anyhow::bail!("this user has no cache folder");
        };
        let folder = file.parent().unwrap_or(file);
        fs::create_dir_all(folder)?;
        write_file(file, &serde_json::to_vec_pretty(&self.all)?)?;
        Ok(())
    }
}

/// The measurements of this machine, one line each.
pub(super) fn describe() -> Vec<String> {
    let all = Measurements::of_user().all.into_iter();
    all.filter(Measurement::is_current)
        .map(|measurement| measurement.describe())
        .collect()
}

/// Whether a model of these sizes can gain from bf16.
fn can_gain(config: &ClipConfig) -> bool {
    match &config.image {
        ImageConfig::Transformer(size) => size.width >= MIN_WIDTH,
        _ => false,
    }
}

/// Loads a model on the processor in the precision that suits it, and measures that before if it is not known.
///
/// # Errors
/// As [`Clip::load_with`].
pub(super) fn load(weights: &WeightsSource, options: &LoadOptions) -> Result<Clip, ClipError> {
    let mut measurements = Measurements::of_user();
    let has_bf16 = processor::has_bf16();
    let mut is_known = true;
    let clip = Clip::load_choosing(weights, Device::Cpu, options, |config| {
        if !has_bf16 || !can_gain(config) {
            return Precision::Fp32;
        }
        let known = measurements.find(&config.name());
        is_known = known.is_some();
        known.map_or(Precision::Fp32, Measurement::precision)
    })?;
    if is_known {
        return Ok(clip);
    }
    let half = Clip::load_with(weights, Device::Cpu, Precision::Bf16, options)?;
    let measurement = Measurement::new(clip.name(), &Trial::new(&clip, &half)?);
    tracing::info!("measured {}", measurement.describe());
    let precision = measurement.precision();
    if let Err(error) = measurements.add(measurement) {
        tracing::warn!(
            error = chain(error.as_ref()),
            "the precision is measured again at the next start, and may be another one then; --precision decides it"
        );
    }
    Ok(if precision == Precision::Bf16 {
        half
    } else {
        clip
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(fp32_seconds: f64, bf16_seconds: f64, cosine: f64) -> Measurement {
        Measurement {
            processor: processor::name(),
            libtorch: library::LIBTORCH_VERSION.to_owned(),
            model: "ViT-B/32".to_owned(),
            views: VIEWS,
            fp32_seconds,
            bf16_seconds,
            cosine,
        }
    }

    #[test]
    fn bf16_is_chosen_where_it_is_clearly_faster_and_exact_enough() {
        let cases = [
            ((0.365, 0.117, 0.99992), Precision::Bf16),
            ((0.365, 0.350, 0.99992), Precision::Fp32),
            ((0.117, 0.365, 0.99992), Precision::Fp32),
            ((0.365, 0.117, 0.99), Precision::Fp32),
            ((0.365, 0.117, f64::NAN), Precision::Fp32),
        ];
        for ((fp32, bf16, cosine), expected) in cases {
            let found = measurement(fp32, bf16, cosine).precision();
            assert_eq!(found, expected, "{fp32} {bf16} {cosine}");
        }
    }

    #[test]
    fn a_measurement_is_found_again_on_the_same_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clipdraw/precision.json");
        let mut measurements = Measurements::in_file(Some(file.clone()));
        let other = Measurement {
            processor: "another one".to_owned(),
            ..measurement(1.0, 0.1, 1.0)
        };
        measurements.add(other).unwrap();
        assert_eq!(
            Measurements::in_file(Some(file.clone())).find("ViT-B/32"),
            None
        );
        let own = measurement(0.365, 0.117, 0.9999);
        measurements.add(own.clone()).unwrap();
        let read = Measurements::in_file(Some(file.clone()));
        assert_eq!(read.find("ViT-B/32"), Some(&own));
        assert_eq!(read.find("ViT-L/14"), None);
        fs::write(&file, "no JSON").unwrap();
        assert_eq!(Measurements::in_file(Some(file)).find("ViT-B/32"), None);
    }

    #[test]
    fn a_measurement_that_cannot_be_kept_is_an_error() {
        let mut measurements = Measurements::in_file(None);
        assert!(measurements.add(measurement(1.0, 0.1, 1.0)).is_err());
    }

    #[test]
    fn only_large_transformers_are_measured() {
        assert!(!can_gain(&ClipConfig::tiny_transformer()));
        assert!(!can_gain(&ClipConfig::tiny_efficient_net()));
    }
}
