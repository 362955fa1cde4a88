//! The book of all predictions: which ones run, which ones wait, which ones are remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::{Health, HealthStatus, Setup, SetupStatus};
use super::measure;
use super::prediction::{Ending, Prediction};
use super::report::Report;
use crate::draw::Spec;

/// How much the service takes on and keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Drawings at once, stepped together.
    pub slots: usize,
    /// Accepted predictions that may wait for a slot.
    pub queue: usize,
    /// Events of a prediction that a late subscriber is told.
    pub replay: usize,
    /// Finished predictions that can still be asked for.
    pub remember: usize,
    /// For how long.
    pub remember_for: Duration,
    /// The bytes that the files of all of them may have together.
    pub remember_bytes: usize,
}

/// Why a prediction is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The model is not there (yet, or any more).
    #[error(
        "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
    )]
    NotReady,
    /// Every slot and every place in the queue is taken.
    #[error("At capacity - all prediction slots busy")]
    AtCapacity,
    /// A prediction of that identifier is not finished.
    #[error("Prediction {} is already running", .0.id())]
    AlreadyRunning(Arc<Prediction>),
    /// The server is shutting down.
    #[error("The server is shutting down and accepts no new predictions")]
    Closed,
}

/// A prediction on its way to the worker.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) prediction: Arc<Prediction>,
    pub(super) spec: Spec,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

/// The book. All methods return at once unless they say otherwise.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    book: Mutex<Book>,
    /// Rung when a job waits or the book is closed.
    bell: Condvar,
    couriers: TaskTracker,
    /// Ends predictions that the worker does not give back.
    abandoned: CancellationToken,
}

#[derive(Debug)]
struct Book {
    setup: Setup,
    /// Why the model is out of order, if it is.
    trouble: Option<String>,
    open: bool,
    /// Accepted and not finished.
    active: HashMap<String, Arc<Prediction>>,
    /// Those of them that have no slot yet, in order.
    waiting: VecDeque<Job>,
    /// Finished, newest first.
    finished: VecDeque<(Instant, Arc<Prediction>)>,
}

impl Registry {
    /// An empty book; predictions are accepted once a worker has loaded its model.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            book: Mutex::new(Book {
                setup: Setup::begun(),
                trouble: None,
                open: true,
                active: HashMap::new(),
                waiting: VecDeque::new(),
                finished: VecDeque::new(),
            }),
            bell: Condvar::new(),
            couriers: TaskTracker::new(),
            abandoned: CancellationToken::new(),
        })
    }

    /// How much is taken on.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The prediction of that identifier, if it is not finished.
    pub fn running(&self, id: &str) -> Option<Arc<Prediction>> {
        self.book.lock().active.get(id).cloned()
    }

    /// The prediction of that identifier, finished or not.
    pub fn find(&self, id: &str) -> Option<Arc<Prediction>> {
        let mut book = self.book.lock();
        book.forget(&self.limits);
        let finished = || {
            book.finished
                .iter()
                .find(|(_, finished)| finished.id() == id)
        };
        book.active
            .get(id)
            .or_else(|| finished().map(|(_, prediction)| prediction))
            .cloned()
    }

    /// All predictions that are known, the newest first.
    pub fn recent(&self) -> Vec<Arc<Prediction>> {
        let mut book = self.book.lock();
        book.forget(&self.limits);
        let mut active: Vec<_> = book.active.values().cloned().collect();
        active.sort_by_key(|prediction| std::cmp::Reverse(prediction.created_at()));
        active.extend(
            book.finished
                .iter()
                .map(|(_, prediction)| Arc::clone(prediction)),
        );
        active
    }

    /// Puts a prediction at the end of the queue.
    ///
    /// # Errors
    /// When it cannot be accepted now; nothing has happened then.
    pub(super) fn enter(&self, job: Job) -> Result<(), Refusal> {
        let mut book = self.book.lock();
        let id = job.prediction.id().to_owned();
        book.admit(&id, &self.limits)?;
        book.finished.retain(|(_, finished)| finished.id() != id);
        book.active.insert(id, Arc::clone(&job.prediction));
        book.waiting.push_back(job);
        measure::occupancy(&book.counts());
        drop(book);
        self.bell.notify_all();
        Ok(())
    }

    /// The tasks that carry predictions to their end.
    pub(super) fn couriers(&self) -> &TaskTracker {
        &self.couriers
    }

    /// How the server is.
    pub fn health(&self) -> Health {
        let book = self.book.lock();
        let (running, waiting) = book.counts();
        Health {
            status: book.status(&self.limits),
            setup: book.setup.clone(),
            trouble: book.trouble.clone(),
            running,
            waiting,
        }
    }

    /// Accepts nothing more. What was accepted goes on.
    pub fn close(&self) {
        self.book.lock().open = false;
        self.couriers.close();
        self.bell.notify_all();
    }

    /// Asks every prediction to stop.
    pub fn cancel_all(&self) {
        for prediction in self.recent() {
            prediction.cancel();
        }
    }

    /// Speaks the final word of every prediction now, whatever the worker is at.
    pub fn abandon(&self) {
        self.abandoned.cancel();
    }

    /// Waits, after [`Registry::close`], until every prediction has its final word.
    pub async fn drained(&self) {
        self.couriers.wait().await;
    }

    /// Declares the loading of the model failed if it is not over by now.
    pub fn give_up_setup(&self) {
        let mut book = self.book.lock();
        if book.setup.status == SetupStatus::Starting {
            book.setup
                .end(SetupStatus::Failed, "worker setup timed out\n".to_owned());
        }
    }

    pub(super) fn setup_succeeded(&self, logs: String) {
        let mut book = self.book.lock();
        book.trouble = None;
        if book.setup.status != SetupStatus::Succeeded {
            book.setup.end(SetupStatus::Succeeded, logs);
        }
    }

    pub(super) fn setup_failed(&self, logs: String) {
        self.book.lock().setup.end(SetupStatus::Failed, logs);
    }

    /// The model broke; nothing is accepted until it works again.
    pub(super) fn broken(&self, trouble: String) {
        self.book.lock().trouble = Some(trouble);
    }

    /// Takes the next waiting job. Without one it waits if `patient`, and returns nothing once the
    /// book is closed and empty.
    pub(super) fn take(&self, patient: bool) -> Option<Job> {
        let mut book = self.book.lock();
        loop {
            if let Some(job) = book.waiting.pop_front() {
                measure::occupancy(&book.counts());
                return Some(job);
            }
            if !patient || !book.open {
                return None;
            }
            self.bell.wait(&mut book);
        }
    }

    /// Whether the book is closed.
    pub(super) fn is_closed(&self) -> bool {
        !self.book.lock().open
    }

    /// Takes a prediction out of the queue; false if it is there no more.
    pub(super) fn withdraw(&self, prediction: &Arc<Prediction>) -> bool {
        let mut book = self.book.lock();
        let before = book.waiting.len();
        book.waiting
            .retain(|job| !Arc::ptr_eq(&job.prediction, prediction));
        book.waiting.len() < before
    }

    /// Frees the slot and then speaks the final word, so that who hears it finds a free slot.
    pub(super) fn finish(&self, prediction: &Arc<Prediction>, ending: &Ending) {
        {
            let mut book = self.book.lock();
            book.active.remove(prediction.id());
            book.finished
                .push_front((Instant::now(), Arc::clone(prediction)));
            book.forget(&self.limits);
            measure::occupancy(&book.counts());
        }
        prediction.finish(ending);
    }

    pub(super) async fn abandonment(&self) {
        self.abandoned.cancelled().await;
    }
}

impl Book {
    fn admit(&mut self, id: &str, limits: &Limits) -> Result<(), Refusal> {
        if let Some(running) = self.active.get(id) {
            return Err(Refusal::AlreadyRunning(Arc::clone(running)));
        }
        match self.status(limits) {
            HealthStatus::Ready => Ok(()),
            HealthStatus::Busy => Err(Refusal::AtCapacity),
            HealthStatus::Defunct => Err(Refusal::Closed),
            HealthStatus::Starting | HealthStatus::SetupFailed | HealthStatus::Unhealthy => {
                Err(Refusal::NotReady)
            }
        }
    }

    fn status(&self, limits: &Limits) -> HealthStatus {
        match self.setup.status {
            _ if !self.open => HealthStatus::Defunct,
            SetupStatus::Starting => HealthStatus::Starting,
            SetupStatus::Failed => HealthStatus::SetupFailed,
            SetupStatus::Succeeded if self.trouble.is_some() => HealthStatus::Unhealthy,
            SetupStatus::Succeeded if self.active.len() >= limits.slots + limits.queue => {
                HealthStatus::Busy
            }
            SetupStatus::Succeeded => HealthStatus::Ready,
        }
    }

    /// How many run and how many wait.
    fn counts(&self) -> (usize, usize) {
        let waiting = self.waiting.len();
        (self.active.len() - waiting.min(self.active.len()), waiting)
    }

    /// Forgets finished predictions that are too many, too old or too large.
    fn forget(&mut self, limits: &Limits) {
        self.finished.truncate(limits.remember);
        let mut bytes = 0;
        let kept = self.finished.iter().take_while(|(at, prediction)| {
            bytes += prediction.output_bytes();
            at.elapsed() < limits.remember_for && bytes <= limits.remember_bytes
        });
        let kept = kept.count();
        self.finished.truncate(kept);
    }
}
