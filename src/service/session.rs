//! Predictions that the worker has leased, and their drawings.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::fault::{Failure, WorkerFault};
use super::measure;
use super::message::WorkerMessage;
use super::outcome::Outcome;
use super::prediction::Prediction;
use crate::draw::{Frame, Spec, Step};

/// How many frames of one prediction may wait to be published. When an upload is slower than the
/// drawing, the drawing waits, so that the memory does not fill up.
const MAX_UNPUBLISHED_FRAMES: usize = 32;

/// A prediction that this worker has leased.
pub(super) struct Assignment {
    pub(super) prediction: Arc<Prediction>,
    pub(super) spec: Spec,
    /// The number of drawings, with the seed of the plan and the following ones.
    pub(super) outputs: usize,
    /// Whether an earlier attempt to draw it has no end. It may be what ended the process, so nothing else is drawn beside it.
    pub(super) is_alone: bool,
    pub(super) publisher: UnboundedSender<WorkerMessage>,
}

/// The drawings of a prediction that has a slot. All of them have done the same number of steps.
pub(super) struct Session<D> {
    pub(super) assignment: Assignment,
    /// A permit for each frame that may wait to be published.
    unpublished: Arc<Semaphore>,
    pub(super) drawings: Vec<D>,
    since: Instant,
}

impl Assignment {
    pub(super) fn send(&self, message: WorkerMessage) {
        // If the publisher is gone, it has already ended the prediction.
        let _ = self.publisher.send(message);
    }

    pub(super) fn fail(&self, fault: WorkerFault) {
        measure::fault();
        self.send(WorkerMessage::Ended(Failure::Worker(fault).into()));
    }
}

impl<D> Session<D> {
    pub(super) fn new(assignment: Assignment, drawings: Vec<D>) -> Self {
        Self {
            assignment,
            unpublished: Arc::new(Semaphore::new(MAX_UNPUBLISHED_FRAMES)),
            drawings,
            since: Instant::now(),
        }
    }

    pub(super) fn may_publish(&self) -> bool {
        self.unpublished.available_permits() >= self.drawings.len()
    }

    pub(super) fn end_if_cancelled(&self) -> bool {
        let cancelled = self.assignment.prediction.is_cancel_requested();
        if cancelled {
            self.assignment
                .send(WorkerMessage::Ended(Outcome::Canceled));
        }
        cancelled
    }

    /// Reports the steps of each drawing, in the order of the drawings. Returns whether the last of them ended the prediction.
    pub(super) fn report_all(&self, steps: Vec<Vec<Step>>) -> bool {
        let mut is_finished = steps.len() == self.drawings.len();
        for (output, steps) in steps.into_iter().enumerate() {
            measure::steps(steps.len());
            is_finished &= steps.last().is_some_and(Step::is_finished);
            for step in steps {
                self.report(output, step);
            }
        }
        if is_finished {
            self.assignment
                .send(WorkerMessage::Ended(Outcome::Succeeded));
        }
        is_finished
    }

    fn report(&self, output: usize, step: Step) {
        match step {
            Step::Running(progress) => {
                if let Some(frame) = progress.frame {
                    self.publish(output, frame);
                }
            }
            Step::Finished(frame) => self.publish(output, frame),
        }
    }

    fn publish(&self, output: usize, frame: Frame) {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let permit = Arc::clone(&self.unpublished).try_acquire_owned();
        self.assignment.send(WorkerMessage::Frame {
            output,
            steps_per_second: frame.step as f64 / seconds,
            frame,
            permit: permit
                .expect("drawings are moved only with a permit for the one frame of each of them"),
        });
    }
}
