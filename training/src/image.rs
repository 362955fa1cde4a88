//! The training of an image tower.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use tch::{Device, TchError, Tensor};

use super::evaluation::TestSet;
use super::lesson::{
    AttackedBatch, BatchShard, Learned, SHARPNESS_NAME, StepReport, mean, side_by_side,
};
use super::parameters::{self, AdamW, Parameters};
use super::plan::TrainingPlan;
use super::sample::{Gallery, Order, PictureBatch};
use super::teacher::Teacher;
use super::tensor_file::{self, TensorFile};
use super::tower::{Mode, Tower};

/// The factor of the cosines before the softmax: its initial value and its maximum.
const SHARPNESS: [f64; 2] = [15.0, 60.0];
/// Number of batches that are prepared in advance.
const AHEAD: usize = 4;
/// Pictures of each test that a report looks at.
const GLANCE: usize = 400;
/// Parts of the batch that are trained in parallel on a CPU. The number must not depend on the
/// machine; otherwise the result would.
const SHARDS: usize = 2;

/// What a run is trained and tested with.
#[derive(Debug, Clone, Copy)]
pub struct Lessons<'a> {
    /// The pictures.
    pub gallery: &'a Gallery,
    /// What their captions mean.
    pub teacher: &'a Teacher,
    /// Pictures that are never learned from.
    pub tests: &'a [TestSet],
}

/// A tower and the state of its training.
#[derive(Debug)]
pub struct TrainingRun {
    tower: Tower,
    parameters: Parameters,
    optimizer: AdamW,
    device: Device,
}

impl TrainingRun {
    /// Resumes the run at `checkpoint`, else starts one: from the ImageNet weights or the run in
    /// `start`, if there is one.
    ///
    /// # Errors
    /// When a file is of another tower.
    pub fn open(
        tower: Tower,
        plan: &TrainingPlan,
        embedding: i64,
        start: Option<&Path>,
        device: Device,
    ) -> anyhow::Result<Self> {
        let mut parameters = tower.parameters(embedding, plan.seed, device);
        let resumed = plan.checkpoint.is_file();
        let start = start
            .filter(|_| !resumed)
            .map(tensor_file::read)
            .transpose()?;
        let other_run = start
            .as_ref()
            .filter(|start| start.number("updates").is_ok());
        if let (Some(start), None) = (&start, &other_run) {
            tower.start_from(start, &parameters)?;
        }
        let sharpness = Tensor::from_slice(&[SHARPNESS[0].ln() as f32]).to_device(device);
        parameters.add(SHARPNESS_NAME, &sharpness);
        if let Some(run) = other_run {
            parameters::take_average(run, &parameters)?;
        }
        let optimizer = if resumed {
            let file = tensor_file::read(&plan.checkpoint)?;
            ensure!(
                file.number("seed")? == plan.seed,
                "{} was begun with another seed",
                plan.checkpoint.display()
            );
            parameters::resume(&file, &parameters)?
        } else {
            AdamW::new(&parameters)
        };
        Ok(Self {
            tower,
            parameters,
            optimizer,
            device,
        })
    }

    /// Trains until the plan is completed or the time limit is reached, and returns whether it is
    /// completed. `report` gets a line for each report.
    ///
    /// # Errors
    /// When libtorch fails, the checkpoint cannot be written, or a number is not finite.
    pub fn train(
        &mut self,
        plan: &TrainingPlan,
        lessons: &Lessons<'_>,
        mut report: impl FnMut(&str),
    ) -> anyhow::Result<bool> {
        let began = Instant::now();
        let first = self.optimizer.updates();
        let mut smooth: Option<StepReport> = None;
        let (sender, receiver) = sync_channel::<PictureBatch>(AHEAD);
        thread::scope(|scope| {
            let gallery = lessons.gallery;
            scope.spawn(move || make_batches(plan, gallery, first, &sender));
            let receiver = receiver;
            let mut lesson = None;
            for step in first..plan.steps {
                if lesson.is_none() || step.is_multiple_of(plan.replays) {
                    let batch = receiver.recv().context("no more batches are made")?;
                    lesson = Some(self.lesson(plan, step, &batch, lessons.teacher)?);
                }
                let lesson = lesson.as_mut().expect("it was just made");
                let found = self.step(plan, step, lesson)?;
                ensure!(
                    found.gradient.is_finite() && found.choice.is_finite(),
                    "the loss or its gradient is not finite in step {step}: {found:?}"
                );
                smooth = Some(smooth.map_or(found, |smooth| smooth.towards(found)));
                let done = step + 1;
                let between = done.is_multiple_of(plan.replays);
                let over = done == plan.steps || between && began.elapsed() > plan.leg;
                if done.is_multiple_of(plan.report) || over {
                    self.save(plan)?;
                    let speed =
                        ((done - first) as f64 * plan.batch as f64) / began.elapsed().as_secs_f64();
                    let figures = self.evaluate(lessons, GLANCE)?;
                    let smooth = smooth.unwrap_or(found);
                    report(&format!(
                        "step {done}/{} {speed:.0}/s epsilon {:.2} choice {:.3} cosine {:.3} gradient {:.2} | {}",
                        plan.steps,
                        plan.adversary_at(step).epsilon,
                        smooth.choice,
                        smooth.cosine,
                        smooth.gradient,
                        figures.join(" | ")
                    ));
                }
                if over {
                    break;
                }
            }
            Ok(self.optimizer.updates() == plan.steps)
        })
    }

    /// How often the averaged tower finds the captions of at most `most` pictures of each test, and of those
    /// among them that show things which it learned from other sets.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn evaluate(&self, lessons: &Lessons<'_>, most: usize) -> anyhow::Result<Vec<String>> {
        let average = self.optimizer.average();
        let read = |pictures: &Tensor| {
            let pictures = pictures.to_device(self.device);
            tch::no_grad(|| self.tower.read(average, &pictures, Mode::Evaluate))
        };
        lessons
            .tests
            .iter()
            .map(|test| {
                let ranks = test.ranks(lessons.teacher, most, read)?;
                let learned = ranks.of_these(lessons.gallery.concepts());
                Ok(format!(
                    "{} {} (things of the lessons: {learned})",
                    test.name(),
                    ranks.of_all()
                ))
            })
            .collect()
    }

    /// The averaged tower's parameters.
    pub fn average(&self) -> &Parameters {
        self.optimizer.average()
    }

    fn save(&self, plan: &TrainingPlan) -> anyhow::Result<()> {
        let facts = BTreeMap::from([("seed".to_owned(), plan.seed.to_string())]);
        parameters::save(&plan.checkpoint, &self.parameters, &self.optimizer, facts)
    }

    fn step(
        &mut self,
        plan: &TrainingPlan,
        step: u64,
        lesson: &mut AttackedBatch,
    ) -> anyhow::Result<StepReport> {
        let parts = self.parts(plan, step, lesson);
        let learned: Vec<Learned> = if self.device == Device::Cpu {
            side_by_side(parts)?
        } else {
            parts
                .into_iter()
                .map(BatchShard::learn)
                .collect::<Result<_, _>>()?
        };
        let changes: Vec<&Tensor> = learned
            .iter()
            .filter_map(|part| part.change.as_ref())
            .collect();
        if !changes.is_empty() {
            lesson.change = Tensor::f_cat(&changes, 0)?;
        }
        let (gradient, found) = mean(learned);
        let gradient = self
            .optimizer
            .descend(&self.parameters, &gradient, plan.rate_at(step));
        tch::no_grad(|| {
            let mut sharpness = self.parameters.get(SHARPNESS_NAME).shallow_clone();
            let _ = sharpness.clamp_(0.0, SHARPNESS[1].ln());
        });
        Ok(StepReport { gradient, ..found })
    }

    /// A batch where it is learned.
    fn lesson(
        &self,
        plan: &TrainingPlan,
        step: u64,
        batch: &PictureBatch,
        teacher: &Teacher,
    ) -> Result<AttackedBatch, TchError> {
        let shape = [plan.batch as i64, 3, plan.side as i64, plan.side as i64];
        let place = |values: &[f32]| {
            Tensor::from_slice(values)
                .reshape(shape)
                .to_device(self.device)
        };
        Ok(AttackedBatch {
            views: place(&batch.views),
            change: plan.adversary_at(step).begin(&place(&batch.noise))?,
            targets: teacher.targets(&batch.shares, &batch.bank),
        })
    }

    /// The parts of a batch, as many as are learned side by side.
    fn parts(&self, plan: &TrainingPlan, step: u64, lesson: &AttackedBatch) -> Vec<BatchShard> {
        let shards = if self.device == Device::Cpu {
            SHARDS
        } else {
            1
        };
        let size = (plan.batch / shards) as i64;
        let adversary = plan.adversary_at(step);
        (0..shards as i64)
            .map(|shard| BatchShard {
                tower: self.tower,
                parameters: self.parameters.share(),
                adversary,
                views: lesson.views.narrow(0, shard * size, size),
                change: lesson.change.narrow(0, shard * size, size),
                targets: lesson.targets.of(shard * size, size),
                // The running means of the norms are moved by one part, so that no two do at once.
                mode: if shard == 0 {
                    Mode::Learn
                } else {
                    Mode::Attack
                },
                comes_again: !(step + 1).is_multiple_of(plan.replays),
            })
            .collect()
    }
}

/// Makes the batches of a run from step `first` on, until the receiver is gone.
fn make_batches(
    plan: &TrainingPlan,
    gallery: &Gallery,
    first: u64,
    sender: &SyncSender<PictureBatch>,
) {
    for number in first / plan.replays..plan.steps.div_ceil(plan.replays) {
        let batch = gallery.batch(Order {
            seed: plan.seed,
            step: number,
            count: plan.batch,
            side: plan.side,
            effort: plan.effort_at(number * plan.replays),
        });
        if sender.send(batch).is_err() {
            return;
        }
    }
}

/// The averaged tower of a finished or unfinished run.
///
/// # Errors
/// When the file is of another tower.
pub fn averaged(
    tower: Tower,
    file: &TensorFile,
    embedding: i64,
    device: Device,
) -> anyhow::Result<Parameters> {
    let parameters = tower.parameters(embedding, 0, device);
    parameters::take_average(file, &parameters)?;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::adversary::Adversary;
    use crate::pack::{PICTURE_BYTES, Pack, PackWriter, Record, Style};
    use clipdraw::clip::EfficientNetSize;

    const TOWER: Tower = Tower(EfficientNetSize {
        stem: 8,
        layers: [1; 7],
        widths: [16, 16, 24, 24, 32, 32, 32],
        head: 64,
    });
    const STEPS: u64 = 60;

    /// A red square and a blue one.
    fn subjects() -> (Gallery, Teacher) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PackWriter::create(folder.path()).unwrap();
        let squares = [("red", [200, 0, 0, 255]), ("blue", [0, 0, 200, 255])];
        for (name, color) in squares {
            let record = Record {
                set: "own".to_owned(),
                name: name.to_owned(),
                style: Style::Drawing,
                weight: 1.0,
                concept: name.to_owned(),
                plain: vec![name.to_owned()],
                keywords: Vec::new(),
                scenes: Vec::new(),
                filtered: Vec::new(),
            };
            let picture = color.repeat(PICTURE_BYTES / 4);
            writer.add(&picture, &record).unwrap();
        }
        writer.finish().unwrap();
        let captions = squares.iter().zip(0..);
        let captions: HashMap<String, usize> = captions
            .map(|((name, _), row)| ((*name).to_owned(), row))
            .collect();
        let teacher = Teacher::new(captions, &Tensor::eye(2, (tch::Kind::Float, Device::Cpu)));
        let pack = Pack::open(folder.path()).unwrap();
        (Gallery::new(vec![pack], &teacher), teacher)
    }

    fn plan(checkpoint: PathBuf, leg: Duration) -> TrainingPlan {
        TrainingPlan {
            side: 64,
            batch: 16,
            steps: STEPS,
            rate: 1e-2,
            warm_up: 4,
            adversary: Adversary {
                epsilon: 0.5,
                steps: 0,
            },
            replays: 2,
            attack_ramp: [0.0, 0.1],
            difficulty_ramp: 0.5,
            seed: 3,
            checkpoint,
            report: STEPS,
            leg,
        }
    }

    fn train(
        plan: &TrainingPlan,
        gallery: &Gallery,
        teacher: &Teacher,
    ) -> (TrainingRun, bool, String) {
        let lessons = Lessons {
            gallery,
            teacher,
            tests: &[],
        };
        let mut run = TrainingRun::open(TOWER, plan, teacher.width(), None, Device::Cpu).unwrap();
        let mut lines = String::new();
        let finished = run
            .train(plan, &lessons, |line| line.clone_into(&mut lines))
            .unwrap();
        (run, finished, lines)
    }

    /// The number after a word of a report.
    fn value_of(report: &str, word: &str) -> f64 {
        let rest = report.split(&format!("{word} ")).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn a_run_learns_and_goes_on_as_if_it_had_not_been_stopped() {
        let (gallery, teacher) = subjects();
        let folder = tempfile::tempdir().unwrap();
        let whole = plan(folder.path().join("whole"), Duration::from_mins(10));
        let (at_once, finished, last) = train(&whole, &gallery, &teacher);
        assert!(finished);

        let parts = plan(folder.path().join("parts"), Duration::ZERO);
        let (_, finished, first) = train(&parts, &gallery, &teacher);
        assert!(!finished, "a leg without time is one batch long");
        assert!(
            value_of(&last, "cosine") > value_of(&first, "cosine") + 0.1,
            "{first}\n{last}"
        );
        let in_parts = loop {
            let (run, finished, _) = train(&parts, &gallery, &teacher);
            if finished {
                break run;
            }
        };
        for ((name, one), (_, other)) in at_once.average().all().zip(in_parts.average().all()) {
            assert!(one.equal(other), "{name} differs");
        }
    }

    #[test]
    fn a_run_can_begin_with_another_run() {
        let (gallery, teacher) = subjects();
        let folder = tempfile::tempdir().unwrap();
        let first = plan(folder.path().join("first"), Duration::ZERO);
        let (run, _, _) = train(&first, &gallery, &teacher);
        let second = plan(folder.path().join("second"), Duration::ZERO);
        let start = Some(first.checkpoint.as_path());
        let next = TrainingRun::open(TOWER, &second, teacher.width(), start, Device::Cpu).unwrap();
        for ((name, one), (_, other)) in run.average().all().zip(next.average().all()) {
            assert!(one.equal(other), "{name} differs");
        }
    }
}
