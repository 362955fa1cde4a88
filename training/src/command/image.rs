//! `clipdraw-train image`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tch::Device;

use super::folder::WorkFolder;
use super::say::say;
use crate::adversary::Adversary;
use crate::evaluation::TestSet;
use crate::image::{Lessons, TrainingRun};
use crate::pack::Pack;
use crate::plan::TrainingPlan;
use crate::sample::Gallery;
use crate::teacher::Teacher;
use crate::tower::Tower;
use clipdraw::clip::EfficientNetSize;
use clipdraw::compute::library;

/// Sets that are never trained on, by the name of their records.
pub const TESTS: [&str; 3] = ["openmoji", "tuxpaint", "art4apps"];

/// Which tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TowerName {
    /// EfficientNet-Lite0, for the embedded model.
    Lite0,
    /// EfficientNet-Lite2, for the classifier.
    Lite2,
}

impl TowerName {
    /// The tower of the classifier of drawings.
    pub const CLASSIFIER: Self = Self::Lite2;

    /// The tower of this name.
    pub fn tower(self) -> Tower {
        match self {
            Self::Lite0 => Tower(EfficientNetSize::lite0()),
            Self::Lite2 => Tower(EfficientNetSize::lite2()),
        }
    }
}

/// Options of the step.
#[derive(Debug, Args)]
pub struct ImageArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// Packs to train on.
    #[arg(long, value_delimiter = ',', required = true)]
    packs: Vec<String>,
    /// The name of the run. It is saved in the work folder, and resumed from there.
    #[arg(long, default_value = "image")]
    run: String,
    /// The tower.
    #[arg(long, value_enum, default_value = "lite0")]
    tower: TowerName,
    /// ImageNet weights or another run to start with: a file in the work folder.
    #[arg(long)]
    start: Option<PathBuf>,
    /// Side of the pictures, in pixels.
    #[arg(long, default_value_t = 64)]
    side: usize,
    /// Pictures per batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Steps of the whole run.
    #[arg(long)]
    steps: u64,
    /// The highest learning rate.
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Steps until the learning rate is at its highest.
    #[arg(long, default_value_t = 200)]
    warm_up: u64,
    /// The maximum perturbation of a picture by the adversary (L2 norm, values from 0 to 1).
    #[arg(long, default_value_t = 2.0)]
    epsilon: f64,
    /// Attack steps for each picture.
    #[arg(long, default_value_t = 2)]
    attack_steps: usize,
    /// Consecutive steps with the same batch; each updates the perturbation for the next.
    #[arg(long, default_value_t = 1)]
    replays: u64,
    /// Where the adversary starts, as a fraction of the run.
    #[arg(long, default_value_t = 0.1)]
    attack_from: f64,
    /// Where the adversary reaches its full strength, as a fraction of the run.
    #[arg(long, default_value_t = 0.5)]
    attack_full: f64,
    /// Where pictures reach their full difficulty, as a fraction of the run.
    #[arg(long, default_value_t = 0.3)]
    difficulty_ramp: f64,
    /// Use only every second set: those whose index in the list of sets has this remainder when divided
    /// by two.
    #[arg(long)]
    half: Option<usize>,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between reports.
    #[arg(long, default_value_t = 200)]
    report: u64,
    /// Minutes after which the run stops; it can be resumed.
    #[arg(long, default_value_t = 600.0)]
    minutes: f64,
    /// `cpu` or `cuda`.
    #[arg(long, default_value = "cpu")]
    device: String,
}

impl ImageArguments {
    /// Trains.
    ///
    /// # Errors
    /// When something that an earlier step makes is missing, or training fails.
    pub fn run(&self) -> anyhow::Result<()> {
        let device = match self.device.as_str() {
            "cpu" => Device::Cpu,
            "cuda" if library::cuda_is_usable() => Device::Cuda(0),
            other => anyhow::bail!("`{other}` is not an available device"),
        };
        let teacher = Teacher::open(self.folder.path(), device)?;
        let tests = Pack::open(&self.folder.pack("tests")).context("opening the pack of tests")?;
        let tests: Vec<_> = TESTS
            .iter()
            .map(|set| TestSet::new(&tests, set, self.side))
            .collect();
        let packs = self.packs.iter().map(|name| {
            Pack::open(&self.folder.pack(name)).with_context(|| format!("opening the pack {name}"))
        });
        let mut packs = packs.collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(rest) = self.half {
            keep_half(&mut packs, rest);
        }
        let gallery = Gallery::new(packs, &teacher);
        let plan = TrainingPlan {
            side: self.side,
            batch: self.batch,
            steps: self.steps,
            rate: self.rate,
            warm_up: self.warm_up,
            adversary: Adversary {
                epsilon: self.epsilon,
                steps: self.attack_steps,
            },
            replays: self.replays.max(1),
            attack_ramp: [self.attack_from, self.attack_full],
            difficulty_ramp: self.difficulty_ramp,
            seed: self.seed,
            checkpoint: self.folder.file(&format!("{}.safetensors", self.run)),
            report: self.report,
            leg: Duration::from_secs_f64(60.0 * self.minutes),
        };
        let start = self
            .start
            .as_ref()
            .map(|start| self.folder.path().join(start));
        let tower = self.tower.tower();
        let mut run = TrainingRun::open(tower, &plan, teacher.width(), start.as_deref(), device)?;
        say(&format!(
            "{} pictures of {} concepts",
            gallery.len(),
            gallery.concepts().len()
        ));
        let lessons = Lessons {
            gallery: &gallery,
            teacher: &teacher,
            tests: &tests,
        };
        let finished = run.train(&plan, &lessons, say)?;
        if finished {
            for line in run.evaluate(&lessons, usize::MAX)? {
                say(&format!("finished: {line}"));
            }
        }
        Ok(())
    }
}

/// Keeps the weight of every second set: a model trained on one half has never seen the other.
fn keep_half(packs: &mut [Pack], rest: usize) {
    let mut sets: Vec<String> = packs
        .iter()
        .flat_map(|pack| pack.records.iter().map(|record| record.set.clone()))
        .collect();
    sets.sort_unstable();
    sets.dedup();
    for record in packs.iter_mut().flat_map(|pack| &mut pack.records) {
        let number = sets.binary_search(&record.set).expect("it was listed");
        if number % 2 != rest {
            record.weight = 0.0;
        }
    }
}
