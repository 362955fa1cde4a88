//! The plan of the training of an image tower: its length, and the schedules.

use std::f64::consts::PI;
use std::path::PathBuf;
use std::time::Duration;

use super::adversary::Adversary;

/// The plan of a run.
#[derive(Debug, Clone)]
pub struct TrainingPlan {
    /// Side of the pictures that the tower reads, in pixels.
    pub side: usize,
    /// Pictures in a batch.
    pub batch: usize,
    /// Steps of the whole run.
    pub steps: u64,
    /// The highest learning rate.
    pub rate: f64,
    /// Steps until the rate is at its highest.
    pub warm_up: u64,
    /// The adversary as it is in the end.
    pub adversary: Adversary,
    /// How many steps in a row learn from the same batch. The gradient of each moves the adversary's
    /// change for the next at no other cost (Shafahi et al. 2019, "Adversarial Training for Free!",
    /// algorithm 1). With more than one, the adversary needs no steps of its own.
    pub replays: u64,
    /// Where the adversary begins and where it reaches its full strength, as fractions of the run.
    pub attack_ramp: [f64; 2],
    /// Where pictures reach their full difficulty, as a fraction of the run.
    pub difficulty_ramp: f64,
    /// Seed of all random choices.
    pub seed: u64,
    /// Where the run is kept.
    pub checkpoint: PathBuf,
    /// Steps between reports.
    pub report: u64,
    /// The run stops, to be resumed, after this time.
    pub leg: Duration,
}

impl TrainingPlan {
    fn part(&self, step: u64) -> f64 {
        step as f64 / self.steps as f64
    }

    /// A short rise, then half a cosine.
    pub(super) fn rate_at(&self, step: u64) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up as f64).min(1.0);
        self.rate * rise * (0.01 + 0.99 * 0.5 * (1.0 + (PI * self.part(step)).cos()))
    }

    pub(super) fn adversary_at(&self, step: u64) -> Adversary {
        let [begins, full] = self.attack_ramp;
        let part = ((self.part(step) - begins) / (full - begins).max(1e-9)).clamp(0.0, 1.0);
        Adversary {
            epsilon: self.adversary.epsilon * part,
            ..self.adversary
        }
    }

    pub(super) fn effort_at(&self, step: u64) -> f64 {
        (0.25 + 0.75 * self.part(step) / self.difficulty_ramp.max(1e-9)).min(1.0)
    }
}
