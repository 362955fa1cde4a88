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

/// How many frames of one drawing may wait to be published. When an upload is slower than the
/// drawing, the drawing waits, so that the memory does not fill up.
const MAX_UNPUBLISHED_FRAMES: usize = 32;

/// A prediction that this worker has leased.
pub(super) struct Assignment {
    pub(super) prediction: Arc<Prediction>,
    pub(super) spec: Spec,
    pub(super) publisher: UnboundedSender<WorkerMessage>,
}

/// A drawing that has a slot.
pub(super) struct Session<D> {
    pub(super) assignment: Assignment,
    /// A permit for each frame that may wait to be published.
    unpublished: Arc<Semaphore>,
    pub(super) drawing: D,
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
    pub(super) fn new(assignment: Assignment, drawing: D) -> Self {
        Self {
            assignment,
            unpublished: Arc::new(Semaphore::new(MAX_UNPUBLISHED_FRAMES)),
            drawing,
            since: Instant::now(),
        }
    }

    pub(super) fn may_publish(&self) -> bool {
        self.unpublished.available_permits() > 0
    }

    pub(super) fn end_if_cancelled(&self) -> bool {
        let cancelled = self.assignment.prediction.is_cancel_requested();
        if cancelled {
            self.assignment
                .send(WorkerMessage::Ended(Outcome::Canceled));
        }
        cancelled
    }

    /// Reports some steps. Returns whether the last of them ended the drawing.
    pub(super) fn report_all(&self, steps: Vec<Step>) -> bool {
        measure::steps(steps.len());
        steps.into_iter().fold(false, |_, step| self.report(step))
    }

    fn report(&self, step: Step) -> bool {
        match step {
            Step::Running(progress) => {
                if let Some(frame) = progress.frame {
                    self.publish(frame);
                }
                false
            }
            Step::Finished(frame) => {
                self.publish(frame);
                self.assignment
                    .send(WorkerMessage::Ended(Outcome::Succeeded));
                true
            }
        }
    }

    fn publish(&self, frame: Frame) {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        let permit = Arc::clone(&self.unpublished).try_acquire_owned();
        self.assignment.send(WorkerMessage::Frame {
            steps_per_second: frame.step as f64 / seconds,
            frame,
            permit: permit.expect("a drawing is moved only with a permit for its one frame"),
        });
    }
}
