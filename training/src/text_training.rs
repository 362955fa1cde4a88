//! Distills the text tower from the teacher.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::parameters::{self, AdamW};
use super::row_optimizer::{RowOptimizer, is_finite};
use super::teacher::Teacher;
use super::tensor_file;
use super::text_batches::{Schedule, TextBatch, Tokens};
use super::text_tower::{PRESENT, TrainableTextTower, VOCABULARY};

/// Weight of the distance to the teacher's vector beside the neighbourhood, whose loss is in nats.
const DISTANCE_WEIGHT: f64 = 4.0;
/// Temperature of the neighbourhood: the teacher's cosines of related words lie 0.1 to 0.3 apart.
const TEMPERATURE: f64 = 0.05;
/// Part of the updates in which the learning rate rises.
const WARM_UP: f64 = 0.01;
/// Part of the learning rate that is left at the end.
const LAST_RATE: f64 = 0.02;
/// The fact in the header of a run's file that holds its plan.
const PLAN: &str = "plan";
/// Beginnings of the names of a vocabulary's moments in the file of a run (`parameters::save`).
const MOMENTS: [&str; 2] = ["mean/", "square/"];

/// How long and how fast a tower learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextPlan {
    /// Texts that there are to learn.
    pub texts: usize,
    /// Decides the order of the texts.
    pub seed: u64,
    /// Texts that are shown in all.
    pub samples: u64,
    /// Texts in a batch.
    pub batch: usize,
    /// Highest learning rate of the layers.
    pub rate: f64,
    /// Highest learning rate of the tokens' rows, each of which is met seldom.
    pub row_rate: f64,
    /// How often a caption is shown for each time that another text is.
    pub caption_times: usize,
}

impl TextPlan {
    /// Updates in all.
    pub fn updates(&self) -> u64 {
        self.samples / self.batch.max(1) as u64
    }

    /// Part of the highest learning rate at update `update`, from 0.
    fn rate_at(&self, update: u64) -> f64 {
        let part = update as f64 / self.updates().max(1) as f64;
        let rise = ((part + 1.0 / self.updates().max(1) as f64) / WARM_UP).min(1.0);
        rise * (LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + (PI * part).cos()))
    }
}

/// The texts of a run, ready for training.
#[derive(Debug)]
pub struct TextDataset<'teacher> {
    tokens: Tokens,
    /// The teacher's number of each text.
    numbers: Vec<usize>,
    /// How often each text is shown in a pass.
    times: Vec<usize>,
    teacher: &'teacher Teacher,
}

impl<'teacher> TextDataset<'teacher> {
    /// Texts, and how often each is shown in a pass; words beyond `context` tokens are left out.
    ///
    /// # Errors
    /// When the teacher does not know one of them.
    pub fn new(
        teacher: &'teacher Teacher,
        texts: &[String],
        times: Vec<usize>,
        context: i64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            numbers: teacher.captions(texts)?,
            tokens: Tokens::of(texts.iter().map(String::as_str), context),
            times,
            teacher,
        })
    }

    /// Batches in a pass.
    fn batches(&self, batch: usize) -> anyhow::Result<u64> {
        let shown: usize = self.times.iter().sum();
        ensure!(
            shown >= batch,
            "{shown} texts do not fill a batch of {batch}"
        );
        Ok((shown / batch) as u64)
    }
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextProgress {
    /// Updates that are done.
    pub update: u64,
    /// Updates in all.
    pub updates: u64,
    /// The loss before the last update.
    pub loss: f64,
}

/// A tower, what moves it, and how far they are.
#[derive(Debug)]
pub struct TextTraining {
    /// The tower that learns.
    pub tower: TrainableTextTower,
    layers: AdamW,
    rows: RowOptimizer,
    plan: TextPlan,
    /// Updates that are done.
    pub update: u64,
}

impl TextTraining {
    /// Begins a run.
    pub fn new(tower: TrainableTextTower, plan: TextPlan) -> Self {
        Self {
            layers: AdamW::new(&tower.layers),
            rows: RowOptimizer::new(&tower.vocabulary),
            tower,
            plan,
            update: 0,
        }
    }

    /// Goes on with the run in a file.
    ///
    /// # Errors
    /// When the file cannot be read, or was begun with another plan.
    pub fn resume(path: &Path, plan: TextPlan) -> anyhow::Result<Self> {
        let tower = TrainableTextTower::open(path)?;
        let file = tensor_file::read(path)?;
        let begun: Option<TextPlan> = file
            .facts
            .get(PLAN)
            .and_then(|plan| serde_json::from_str(plan).ok());
        ensure!(
            begun.as_ref() == Some(&plan),
            "{} was begun as {begun:?}, not {plan:?}; take it as the start of a new run, or remove it",
            path.display()
        );
        let [means, squares] = MOMENTS.map(|prefix| file.tensor(&format!("{prefix}{VOCABULARY}")));
        Ok(Self {
            layers: parameters::resume(&file, &tower.layers)?,
            rows: RowOptimizer {
                means: means?.shallow_clone(),
                squares: squares?.shallow_clone(),
            },
            update: file.number("update")?,
            tower,
            plan,
        })
    }

    /// Updates that are left.
    pub fn left(&self) -> u64 {
        self.plan.updates().saturating_sub(self.update)
    }

    /// Learns for some updates, or until the plan is done.
    ///
    /// # Errors
    /// When the texts fill no batch, or libtorch fails.
    pub fn learn(
        &mut self,
        lesson: &TextDataset<'_>,
        updates: u64,
        report: &mut dyn FnMut(TextProgress),
    ) -> anyhow::Result<()> {
        let schedule = Schedule {
            seed: self.plan.seed,
            batch: self.plan.batch,
        };
        let in_pass = lesson.batches(self.plan.batch)?;
        let mut batches = Vec::new();
        for _ in 0..updates.min(self.left()) {
            let place = self.update % in_pass;
            if place == 0 || batches.is_empty() {
                batches = schedule.pass(self.update / in_pass, &lesson.tokens, &lesson.times);
            }
            let loss = self
                .follow(lesson, &batches[place as usize])
                .context("teaching the text tower")?;
            self.update += 1;
            report(TextProgress {
                update: self.update,
                updates: self.plan.updates(),
                loss,
            });
        }
        Ok(())
    }

    /// One update by the texts at these indices; the loss before it.
    fn follow(&mut self, lesson: &TextDataset<'_>, chosen: &[usize]) -> Result<f64, TchError> {
        let batch = TextBatch::of(&lesson.tokens, chosen)?;
        let known: Vec<usize> = chosen.iter().map(|&index| lesson.numbers[index]).collect();
        let rows = self.tower.rows(&batch)?.f_set_requires_grad(true)?;
        let vectors = self.tower.forward(&rows, &batch)?;
        let loss = loss(&vectors, &lesson.teacher.embed(&known))?;
        let layers = &self.tower.layers;
        let learning: Vec<&Tensor> = layers.trained().values().chain([&rows]).collect();
        let gradient = Tensor::f_run_backward(&[&loss], &learning, false, false)?;
        let (of_rows, of_layers) = gradient.split_last().expect("the rows have a gradient");
        let part = self.plan.rate_at(self.update);
        self.layers
            .descend(layers, of_layers, part * self.plan.rate);
        if is_finite(of_rows)? {
            self.rows.descend(
                &mut self.tower.vocabulary,
                (&batch.tokens, of_rows),
                self.update + 1,
                part * self.plan.row_rate,
            )?;
        }
        loss.f_double_value(&[])
    }

    /// Gives tokens that no text has the mean of those that occur, so that a prompt with one of them is
    /// read as if the word said nothing.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn quieten_unknown_tokens(&mut self, lesson: &TextDataset<'_>) -> Result<(), TchError> {
        let present = lesson.tokens.present(self.tower.sizes().text.vocabulary);
        let present = Tensor::f_from_slice(&present)?;
        let vocabulary = &mut self.tower.vocabulary;
        let known = present.f_nonzero()?.f_view(-1)?;
        let mean = vocabulary
            .f_index_select(0, &known)?
            .f_mean_dim(0, true, None::<Kind>)?;
        let unknown = present.f_logical_not()?.f_nonzero()?.f_view(-1)?;
        let rows = mean.f_expand([unknown.size()[0], -1], false)?;
        vocabulary.f_index_copy_(0, &unknown, &rows).map(drop)
    }

    /// Writes everything that [`TextTraining::resume`] needs, and [`TrainableTextTower::open`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut tensors = parameters::state(&self.tower.layers, &self.layers);
        let [means, squares] = MOMENTS.map(|prefix| format!("{prefix}{VOCABULARY}"));
        tensors.insert(
            format!("{PRESENT}{VOCABULARY}"),
            self.tower.vocabulary.shallow_clone(),
        );
        tensors.insert(means, self.rows.means.shallow_clone());
        tensors.insert(squares, self.rows.squares.shallow_clone());
        let mut facts: BTreeMap<String, String> = self.tower.sizes().facts();
        facts.insert(PLAN.to_owned(), serde_json::to_string(&self.plan)?);
        facts.insert("update".to_owned(), self.update.to_string());
        facts.insert("updates".to_owned(), self.layers.updates().to_string());
        tensor_file::write(path, &tensors, &facts)
    }
}

/// How far `vectors` `[N, E]` are from the teacher's `goals`: their own distance, and whether each text's
/// neighbours in the batch are the teacher's.
fn loss(vectors: &Tensor, goals: &Tensor) -> Result<Tensor, TchError> {
    let cosines = vectors
        .f_mul(goals)?
        .f_sum_dim_intlist(-1, false, None::<Kind>)?;
    let distance = cosines.f_mean(None::<Kind>)?.f_neg()?.f_add_scalar(1.0)?;
    let turned = goals.f_tr()?;
    let neighbours = |vectors: &Tensor| vectors.f_matmul(&turned)?.f_div_scalar(TEMPERATURE);
    let wanted = neighbours(goals)?;
    let surprise = wanted
        .f_log_softmax(-1, None::<Kind>)?
        .f_sub(&neighbours(vectors)?.f_log_softmax(-1, None::<Kind>)?)?
        .f_mul(&wanted.f_softmax(-1, None::<Kind>)?)?
        .f_sum_dim_intlist(-1, false, None::<Kind>)?
        .f_mean(None::<Kind>)?;
    distance.f_mul_scalar(DISTANCE_WEIGHT)?.f_add(&surprise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_tower::TowerSizes;
    use clipdraw::clip::Activation;
    use std::fs;

    const TEXTS: [&str; 8] = [
        "a cat",
        "a kitten",
        "fire",
        "a lighthouse by the sea",
        "a red apple",
        "a drawing of a ship",
        "a large outdoor fire",
        "an owl at night",
    ];

    fn tower() -> TrainableTextTower {
        let sizes = TowerSizes::tiny(12, Activation::Gelu);
        TrainableTextTower::random(sizes, 3)
    }

    fn texts() -> Vec<String> {
        TEXTS.map(str::to_owned).to_vec()
    }

    fn teacher() -> Teacher {
        let numbers: Vec<f32> = (0..8 * 12)
            .map(|n: u16| f32::from(n * 29 % 97) - 48.0)
            .collect();
        let rows = texts().into_iter().zip(0..).collect();
        Teacher::new(rows, &Tensor::from_slice(&numbers).view([8, 12]))
    }

    fn plan(samples: u64, batch: usize) -> TextPlan {
        TextPlan {
            texts: TEXTS.len(),
            seed: 1,
            samples,
            batch,
            rate: 5e-3,
            row_rate: 2e-2,
            caption_times: 1,
        }
    }

    fn lesson(teacher: &Teacher) -> TextDataset<'_> {
        TextDataset::new(teacher, &texts(), vec![1; 8], 77).unwrap()
    }

    fn learn(training: &mut TextTraining, teacher: &Teacher, updates: u64) {
        training
            .learn(&lesson(teacher), updates, &mut |_| ())
            .unwrap();
    }

    #[test]
    fn the_gradient_reaches_every_parameter() {
        let (tower, teacher) = (tower(), teacher());
        let batch = TextBatch::of(&lesson(&teacher).tokens, &[0, 3, 7]).unwrap();
        let rows = tower.rows(&batch).unwrap().set_requires_grad(true);
        let vectors = tower.forward(&rows, &batch).unwrap();
        let loss = loss(&vectors, &teacher.embed(&[0, 3, 7])).unwrap();
        let learning: Vec<&Tensor> = tower.layers.trained().values().chain([&rows]).collect();
        let gradient = Tensor::run_backward(&[&loss], &learning, false, false);
        let names = tower.layers.trained().keys().map(String::as_str);
        for (name, part) in names.chain([VOCABULARY]).zip(&gradient) {
            let largest = part.abs().max().double_value(&[]);
            assert!(largest > 0.0, "{name} stays where it is");
        }
        let of_rows = gradient.last().unwrap().abs().amax([1], false);
        assert!(
            of_rows.min().double_value(&[]) > 0.0,
            "a token stays where it is"
        );
    }

    #[test]
    fn the_loss_is_nothing_where_the_teacher_is_met() {
        let goals = teacher().embed(&[0, 1, 2]);
        assert!(loss(&goals, &goals).unwrap().double_value(&[]).abs() < 1e-5);
        let others = teacher().embed(&[2, 0, 1]);
        assert!(loss(&others, &goals).unwrap().double_value(&[]) > 1.0);
    }

    #[test]
    fn a_few_texts_are_learnt_by_heart() {
        let teacher = teacher();
        let mut training = TextTraining::new(tower(), plan(8 * 150, 8));
        learn(&mut training, &teacher, 150);
        assert_eq!(training.left(), 0);
        let vectors = training.tower.embed(&texts()).unwrap();
        let goals = teacher.embed(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let cosines = (vectors * goals).sum_dim_intlist(-1, false, Kind::Float);
        assert!(cosines.min().double_value(&[]) > 0.95, "{cosines:?}");
    }

    #[test]
    fn bf16_learns_too() {
        let teacher = teacher();
        let mut training = TextTraining::new(tower().in_kind(Kind::BFloat16), plan(8 * 150, 8));
        learn(&mut training, &teacher, 150);
        let vectors = training.tower.embed(&texts()).unwrap();
        let goals = teacher.embed(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let cosines = (vectors * goals).sum_dim_intlist(-1, false, Kind::Float);
        assert!(cosines.min().double_value(&[]) > 0.9, "{cosines:?}");
    }

    #[test]
    fn a_run_that_was_stopped_writes_the_bytes_of_one_that_was_not() {
        let (folder, teacher) = (tempfile::tempdir().unwrap(), teacher());
        let files = ["whole", "half", "end"].map(|name| folder.path().join(name));
        let plan = plan(4 * 9, 4);
        let mut whole = TextTraining::new(tower(), plan.clone());
        learn(&mut whole, &teacher, 9);
        whole.save(&files[0]).unwrap();
        let mut first = TextTraining::new(tower(), plan.clone());
        // In the middle of a pass, which has two batches.
        learn(&mut first, &teacher, 5);
        first.save(&files[1]).unwrap();
        let mut second = TextTraining::resume(&files[1], plan).unwrap();
        assert_eq!((second.update, second.left()), (5, 4));
        learn(&mut second, &teacher, 4);
        second.save(&files[2]).unwrap();
        assert!(fs::read(&files[0]).unwrap() == fs::read(&files[2]).unwrap());
    }

    #[test]
    fn a_run_does_not_go_on_with_another_plan() {
        let (folder, teacher) = (tempfile::tempdir().unwrap(), teacher());
        let file = folder.path().join("run");
        let mut training = TextTraining::new(tower(), plan(40, 4));
        learn(&mut training, &teacher, 1);
        training.save(&file).unwrap();
        let error = TextTraining::resume(&file, plan(80, 4)).unwrap_err();
        assert!(error.to_string().contains("was begun as"), "{error}");
    }

    #[test]
    fn too_few_texts_are_refused() {
        let teacher = teacher();
        let mut training = TextTraining::new(tower(), plan(64, 16));
        let error = training
            .learn(&lesson(&teacher), 1, &mut |_| ())
            .unwrap_err();
        assert_eq!(error.to_string(), "8 texts do not fill a batch of 16");
    }

    #[test]
    fn tokens_that_no_text_has_become_the_mean_of_the_others() {
        let teacher = teacher();
        let mut training = TextTraining::new(tower(), plan(8, 8));
        let lesson = lesson(&teacher);
        training.quieten_unknown_tokens(&lesson).unwrap();
        let vocabulary = &training.tower.vocabulary;
        let before = tower().vocabulary;
        let known: Vec<i64> = (0..49_408)
            .zip(lesson.tokens.present(49_408))
            .filter_map(|(id, present)| present.then_some(id))
            .collect();
        let mean = before
            .index_select(0, &Tensor::from_slice(&known))
            .mean_dim(0, false, Kind::Float);
        assert_eq!(vocabulary.get(known[3]), before.get(known[3]));
        let unknown = (0..49_408).find(|id| !known.contains(id)).unwrap();
        assert!(
            (vocabulary.get(unknown) - mean)
                .abs()
                .max()
                .double_value(&[])
                < 1e-6
        );
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let plan = plan(8_000, 8);
        assert!(plan.rate_at(0) < 0.2);
        assert!(plan.rate_at(20) > 0.95);
        assert!(plan.rate_at(999) < 0.03);
    }
}
