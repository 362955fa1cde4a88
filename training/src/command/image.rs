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
use crate::image::{Lessons, Run};
use crate::pack::Pack;
use crate::plan::Plan;
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
    /// EfficientNet-Lite0, the embedded model's.
    Lite0,
    /// EfficientNet-Lite2, the judge's.
    Lite2,
}

impl TowerName {
    /// The judge of drawings.
    pub const JUDGE: Self = Self::Lite2;

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
    /// Packs to learn from.
    #[arg(long, value_delimiter = ',', required = true)]
    packs: Vec<String>,
    /// The run is kept in a file of this name in the work folder, and taken up from there.
    #[arg(long, default_value = "image")]
    run: String,
    /// The tower.
    #[arg(long, value_enum, default_value = "lite0")]
    tower: TowerName,
    /// ImageNet weights or another run to begin with: a file of the work folder.
    #[arg(long)]
    start: Option<PathBuf>,
    /// Side of the pictures, in pixels.
    #[arg(long, default_value_t = 64)]
    side: usize,
    /// Pictures in a batch.
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
    /// How far the adversary may go in the end (L2 norm, values from 0 to 1).
    #[arg(long, default_value_t = 2.0)]
    reach: f64,
    /// Steps that the adversary takes for each picture.
    #[arg(long, default_value_t = 2)]
    attack_steps: usize,
    /// Steps in a row that learn from the same batch, each with the adversary one step further.
    #[arg(long, default_value_t = 1)]
    replays: u64,
    /// The part of the run without an adversary.
    #[arg(long, default_value_t = 0.1)]
    peace: f64,
    /// The part of the run until the adversary may go all the way.
    #[arg(long, default_value_t = 0.5)]
    war: f64,
    /// The part of the run until pictures are as hard to recognise as they get.
    #[arg(long, default_value_t = 0.3)]
    ease: f64,
    /// Only the pictures of sets whose number in the list of sets leaves this rest when divided by two.
    #[arg(long)]
    half: Option<usize>,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between reports.
    #[arg(long, default_value_t = 200)]
    report: u64,
    /// Minutes after which the run stops, to be taken up again.
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
            other => anyhow::bail!("`{other}` is no device that can be used here"),
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
        let plan = Plan {
            side: self.side,
            batch: self.batch,
            steps: self.steps,
            rate: self.rate,
            warm_up: self.warm_up,
            adversary: Adversary {
                reach: self.reach,
                steps: self.attack_steps,
            },
            replays: self.replays.max(1),
            peace: [self.peace, self.war],
            ease: self.ease,
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
        let mut run = Run::open(tower, &plan, teacher.width(), start.as_deref(), device)?;
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

/// Leaves every second set its weight: what learns from one half has never seen the other.
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
