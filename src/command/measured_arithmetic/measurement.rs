//! What was measured of models on this machine, and the file that keeps it.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choice::ArithmeticChoice;
use super::trial::{Trial, VIEWS};
use crate::clip::{Arithmetic, Clip};
use crate::command::atomic_file::write_file;
use crate::compute::{Precision, library, processor};
use crate::environment;

/// bf16 has to be faster than what it replaces by this factor: a smaller gain would not be worth the digits.
const MIN_SPEEDUP_OF_BF16: f64 = 1.2;

/// Anything else has to be faster by this one: a smaller gain would be within the noise of a short measurement.
const MIN_SPEEDUP: f64 = 1.1;

/// The smallest cosine of a gradient with that of the reference. ViT-B/32 has 0.99992 in bf16 (random weights).
const MIN_COSINE: f64 = 0.999;

/// What was measured of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Measurement {
    /// The processor.
    processor: String,
    /// The version of libtorch.
    libtorch: String,
    /// The name of the model, which tells its sizes.
    model: String,
    /// The views of a pass.
    views: i64,
    /// The reference, and then what was measured beside it.
    timings: Vec<Timing>,
}

/// A pass of a model that is computed in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Timing {
    #[serde(flatten)]
    arithmetic: Arithmetic,
    /// The shortest time, in seconds.
    seconds: f64,
    /// The same over that of the reference, measured in turns.
    relative: f64,
    /// The cosine of the gradient on views with that of the reference.
    cosine: f64,
}

impl Timing {
    /// Whether it should be chosen instead of another one.
    fn replaces(&self, other: &Self) -> bool {
        let speedup = match self.arithmetic.precision {
            Precision::Bf16 => MIN_SPEEDUP_OF_BF16,
            _ => MIN_SPEEDUP,
        };
        // A cosine that is not a number is not large enough.
        self.relative * speedup <= other.relative && self.cosine >= MIN_COSINE
    }
}

impl Measurement {
    /// A measurement that has only its reference yet.
    pub(super) fn new(reference: &Clip) -> Self {
        Self {
            processor: processor::name(),
            libtorch: library::LIBTORCH_VERSION.to_owned(),
            model: reference.name(),
            views: VIEWS,
            timings: vec![Timing {
                arithmetic: reference.arithmetic(),
                seconds: f64::INFINITY,
                relative: 1.0,
                cosine: 1.0,
            }],
        }
    }

    /// Adds another way to compute the model.
    pub(super) fn add(&mut self, arithmetic: Arithmetic, trial: &Trial) {
        let (reference, seconds) = (trial.reference_time.as_secs_f64(), trial.time.as_secs_f64());
        self.timings[0].seconds = self.timings[0].seconds.min(reference);
        self.timings.push(Timing {
            arithmetic,
            seconds,
            relative: seconds / reference,
            cosine: trial.cosine,
        });
    }

    /// Whether it was made on this machine.
    pub(super) fn is_current(&self) -> bool {
        self.processor == processor::name() && self.libtorch == library::LIBTORCH_VERSION
    }

    /// The ways that were measured; the first is the reference.
    pub(super) fn ways(&self) -> Vec<Arithmetic> {
        self.timings
            .iter()
            .map(|timing| timing.arithmetic)
            .collect()
    }

    /// The best of the ways that are allowed, if there is one.
    pub(super) fn best(&self, choice: ArithmeticChoice) -> Option<Arithmetic> {
        let allowed = self.timings.iter();
        let allowed = allowed.filter(|timing| choice.allows(timing.arithmetic));
        let best = allowed.reduce(|best, other| if other.replaces(best) { other } else { best });
        best.map(|timing| timing.arithmetic)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {} views:", self.model, self.views)?;
        for (index, timing) in self.timings.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma} {} {:.3} s", timing.arithmetic, timing.seconds)?;
            if timing.arithmetic.precision == Precision::Bf16 {
                write!(out, " (cosine of the gradients {:.5})", timing.cosine)?;
            }
        }
        let any = ArithmeticChoice {
            precision: Precision::Auto,
            backend: None,
        };
        match self.best(any) {
            Some(best) => write!(out, "; auto is {best}"),
            None => Ok(()),
        }
    }
}

/// The measurements in a file.
#[derive(Debug)]
pub(super) struct Measurements {
    file: Option<PathBuf>,
    all: Vec<Measurement>,
}

impl Measurements {
    /// Those of this user. A file that cannot be read counts as empty: what it lacks is measured again.
    pub(super) fn of_user() -> Self {
        let file = environment::user_cache_folder();
        Self::in_file(file.map(|folder| folder.join("clipdraw/arithmetic.json")))
    }

    fn in_file(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().and_then(|file| fs::read(file).ok());
        let all = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            file,
            all: all.unwrap_or_default(),
        }
    }

    pub(super) fn into_all(self) -> Vec<Measurement> {
        self.all
    }

    /// The measurement of a model on this machine, in these ways.
    pub(super) fn find(&self, model: &str, ways: &[Arithmetic]) -> Option<&Measurement> {
        let mut all = self.all.iter();
        all.find(|known| known.model == model && known.is_current() && known.ways() == ways)
    }

    /// Keeps a measurement for later runs.
    ///
    /// # Errors
    /// If the user has no cache folder, or it cannot be written.
    pub(super) fn add(&mut self, measurement: Measurement) -> anyhow::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::TowerBackend;

    const ANY: ArithmeticChoice = ArithmeticChoice {
        precision: Precision::Auto,
        backend: None,
    };

    fn way(precision: Precision, backend: TowerBackend) -> Arithmetic {
        Arithmetic { precision, backend }
    }

    fn ways() -> [Arithmetic; 3] {
        [
            way(Precision::Fp32, TowerBackend::Native),
            way(Precision::Fp32, TowerBackend::Libtorch),
            way(Precision::Bf16, TowerBackend::Libtorch),
        ]
    }

    /// With times relative to the reference, which takes 0.4 seconds, and the cosine of bf16.
    fn measurement(libtorch: f64, bf16: f64, cosine: f64) -> Measurement {
        let timing = |index: usize, relative: f64, cosine: f64| Timing {
            arithmetic: ways()[index],
            seconds: 0.4 * relative,
            relative,
            cosine,
        };
        Measurement {
            processor: processor::name(),
            libtorch: library::LIBTORCH_VERSION.to_owned(),
            model: "ViT-B/32".to_owned(),
            views: VIEWS,
            timings: vec![
                timing(0, 1.0, 1.0),
                timing(1, libtorch, 1.0),
                timing(2, bf16, cosine),
            ],
        }
    }

    #[test]
    fn what_is_clearly_faster_and_exact_enough_is_chosen() {
        let cases = [
            ((1.04, 3.0, 0.99992), 0),
            ((0.95, 0.85, 0.99992), 0),
            ((0.8, 3.0, 0.99992), 1),
            ((0.8, 0.75, 0.99992), 1),
            ((0.8, 0.5, 0.99992), 2),
            ((1.5, 0.5, 0.99992), 2),
            ((1.5, 0.5, 0.99), 0),
            ((0.8, 0.5, f64::NAN), 1),
            ((f64::NAN, f64::NAN, 0.99992), 0),
        ];
        for ((libtorch, bf16, cosine), expected) in cases {
            let found = measurement(libtorch, bf16, cosine).best(ANY);
            let expected = Some(ways()[expected]);
            assert_eq!(found, expected, "{libtorch} {bf16} {cosine}");
        }
    }

    #[test]
    fn the_choice_is_among_what_the_caller_allows() {
        let measured = measurement(0.8, 0.5, 0.99992);
        let cases = [
            (Precision::Fp32, None, Some(1)),
            (Precision::Auto, Some(TowerBackend::Native), Some(0)),
            (Precision::Auto, Some(TowerBackend::Libtorch), Some(2)),
            (Precision::Fp16, None, None),
        ];
        for (precision, backend, expected) in cases {
            let found = measured.best(ArithmeticChoice { precision, backend });
            assert_eq!(found, expected.map(|index: usize| ways()[index]));
        }
    }

    #[test]
    fn a_measurement_names_its_times_and_the_choice() {
        let expected = "ViT-B/32, 4 views: native fp32 0.400 s, libtorch fp32 0.416 s, libtorch bf16 0.120 s (cosine of the \
                        gradients 0.99992); auto is libtorch bf16";
        assert_eq!(measurement(1.04, 0.3, 0.99992).to_string(), expected);
    }

    #[test]
    fn a_measurement_is_found_again_on_the_same_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clipdraw/arithmetic.json");
        let read = || Measurements::in_file(Some(file.clone()));
        let mut measurements = read();
        let other = Measurement {
            processor: "another one".to_owned(),
            ..measurement(1.0, 0.1, 1.0)
        };
        measurements.add(other).unwrap();
        assert_eq!(read().find("ViT-B/32", &ways()), None);
        let own = measurement(1.04, 0.3, 0.9999);
        measurements.add(own.clone()).unwrap();
        assert_eq!(read().find("ViT-B/32", &ways()), Some(&own));
        assert_eq!(read().find("ViT-L/14", &ways()), None);
        assert_eq!(read().find("ViT-B/32", &ways()[..2]), None);
        fs::write(&file, "no JSON").unwrap();
        assert_eq!(read().find("ViT-B/32", &ways()), None);
    }

    #[test]
    fn a_measurement_that_cannot_be_kept_is_an_error() {
        let mut measurements = Measurements::in_file(None);
        assert!(measurements.add(measurement(1.0, 0.1, 1.0)).is_err());
    }
}
