//! `clipdraw-train corpus`, `text` and `text-report`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use tch::{Device, Kind};

use super::folder::WorkFolder;
use super::say::say;
use crate::corpus::Corpus;
use crate::teacher::{Teacher, read_lines};
use crate::text_report::{closeness, pairs};
use crate::text_tower::TrainableTextTower;
use crate::text_training::{TextDataset, TextPlan, TextProgress, TextTraining};
use crate::wordnet_texts::WordNetTexts;
use clipdraw::compute::library;

/// The teacher's stores: captions and all other texts.
const STORES: [&str; 2] = ["teacher", "words"];
/// The folder of the corpus in the work folder.
const CORPUS: &str = "corpus";

/// Options of the step `corpus`.
#[derive(Debug, Args)]
pub struct CorpusArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The folder with WordNet's `data.noun`, instead of the package's in the work folder.
    #[arg(long)]
    wordnet: Option<PathBuf>,
}

impl CorpusArguments {
    /// Collects the texts that the text tower is trained with.
    ///
    /// # Errors
    /// When captions or WordNet are missing.
    pub fn run(&self) -> anyhow::Result<()> {
        let packaged = self.folder.file("packages/wordnet-base/usr/share/wordnet");
        let words = WordNetTexts::open(self.wordnet.as_ref().unwrap_or(&packaged))?;
        let captions = read_lines(&self.folder.file("captions.txt"))?;
        let corpus = Corpus::build(&captions, &words);
        corpus.write(&self.folder.file(CORPUS))?;
        say(&format!(
            "{} captions and {} other texts to learn, {} captions and {} texts of unseen concepts for the test",
            corpus.captions.len(),
            corpus.words.len(),
            corpus.held_captions.len(),
            corpus.held_concepts.len()
        ));
        Ok(())
    }
}

/// Options of the step `text`.
#[derive(Debug, Args)]
pub struct TextArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The name of the run. It is saved in the work folder, and resumed from there.
    #[arg(long, default_value = "text")]
    run: String,
    /// A weight file or a run with the text tower to start from, which also determines the sizes.
    #[arg(long)]
    start: PathBuf,
    /// Total number of texts that are shown.
    #[arg(long, default_value_t = 2_000_000)]
    samples: u64,
    /// Texts in a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// The highest learning rate of the layers.
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// The highest learning rate of the tokens' rows.
    #[arg(long, default_value_t = 4e-3)]
    row_rate: f64,
    /// How often a caption is shown, relative to other texts.
    #[arg(long, default_value_t = 3)]
    caption_times: usize,
    /// Seed of the order of texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Multiply matrices in bf16.
    #[arg(long)]
    bf16: bool,
    /// Updates between checkpoints and reports.
    #[arg(long, default_value_t = 500)]
    report: u64,
    /// Threads of libtorch; the last bits of the result depend on it.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl TextArguments {
    /// Trains the text tower, or resumes its training.
    ///
    /// # Errors
    /// When something that an earlier step makes is missing, or training fails.
    pub fn run(&self) -> anyhow::Result<()> {
        library::set_threads(self.threads);
        let corpus = Corpus::open(&self.folder.file(CORPUS))?;
        let teacher = Teacher::open_stores(self.folder.path(), &STORES, Device::Cpu)?;
        let texts = [corpus.captions.as_slice(), &corpus.words].concat();
        let plan = TextPlan {
            texts: texts.len(),
            seed: self.seed,
            samples: self.samples,
            batch: self.batch,
            rate: self.rate,
            row_rate: self.row_rate,
            caption_times: self.caption_times,
        };
        let file = self.folder.file(&format!("{}.safetensors", self.run));
        let mut training = if file.exists() {
            TextTraining::resume(&file, plan)?
        } else {
            TextTraining::new(TrainableTextTower::open(&self.start)?, plan)
        };
        if self.bf16 {
            training.tower = training.tower.in_kind(Kind::BFloat16);
        }
        let mut times = vec![self.caption_times; corpus.captions.len()];
        times.resize(texts.len(), 1);
        let context = training.tower.sizes().text.context;
        let lesson = TextDataset::new(&teacher, &texts, times, context)?;
        say(&format!(
            "{} texts, {} updates to go",
            texts.len(),
            training.left()
        ));
        while training.left() > 0 {
            self.learn(&mut training, &lesson)?;
            training.save(&file)?;
            report(&training.tower, &teacher, &corpus)?;
        }
        training.quieten_unknown_tokens(&lesson)?;
        training.save(&file)
    }

    fn learn(&self, training: &mut TextTraining, lesson: &TextDataset<'_>) -> anyhow::Result<()> {
        let (started, before) = (Instant::now(), training.update);
        let mut sum = 0.0;
        let mut add = |progress: TextProgress| sum += progress.loss;
        training.learn(lesson, self.report, &mut add)?;
        let updates = (training.update - before) as f64;
        say(&format!(
            "update {}, {} to go: loss {:.3}, {:.0} texts a second",
            training.update,
            training.left(),
            sum / updates,
            updates * self.batch as f64 / started.elapsed().as_secs_f64()
        ));
        Ok(())
    }
}

/// Options of the step `text-report`.
#[derive(Debug, Args)]
pub struct TextReportArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// A weight file, or the file of a run.
    file: PathBuf,
}

impl TextReportArguments {
    /// Reports how close a text tower is to the teacher.
    ///
    /// # Errors
    /// When something that an earlier step makes is missing.
    pub fn run(&self) -> anyhow::Result<()> {
        library::use_one_thread();
        let corpus = Corpus::open(&self.folder.file(CORPUS))?;
        let teacher = Teacher::open_stores(self.folder.path(), &STORES, Device::Cpu)?;
        report(&open(&self.file)?, &teacher, &corpus)
    }
}

fn open(file: &Path) -> anyhow::Result<TrainableTextTower> {
    TrainableTextTower::open(file)
        .with_context(|| format!("reading the text tower of {}", file.display()))
}

fn report(tower: &TrainableTextTower, teacher: &Teacher, corpus: &Corpus) -> anyhow::Result<()> {
    let bank = corpus.captions.as_slice();
    for (name, texts) in [
        ("captions", &corpus.held_captions),
        ("concepts", &corpus.held_concepts),
    ] {
        let closeness = closeness(tower, teacher, texts, bank)?;
        say(&format!("unseen {name}, {closeness}"));
    }
    for (left, right, cosine) in pairs(tower)? {
        say(&format!("{cosine:.2} {left} | {right}"));
    }
    Ok(())
}
