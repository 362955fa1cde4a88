//! The thread that owns the model and draws.
//!
//! Every failure in libtorch, including panics, is caught here: the prediction that caused it fails
//! with a message, the others continue, and the model is loaded again if it no longer works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::fault::{EngineError, Failure, WorkerFault};
use super::lifecycle::Service;
use super::measure;
use super::message::WorkerMessage;
use super::outcome::Outcome;
use super::prediction::Prediction;
use super::publisher;
use super::queue::Lease;
use crate::backoff::Backoff;
use crate::draw::{Advance, Frame, Spec, Step};
use crate::errors::{chain, panic_message};
use crate::output::Provenance;

/// The pauses before the model is loaded again after a failure.
const RELOAD_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_mins(1),
    repeats: Backoff::ENDLESS,
};

/// How many frames of one drawing may wait to be published. When an upload is slower than the
/// drawing, the drawing waits, so that the memory does not fill up.
const MAX_UNPUBLISHED_FRAMES: usize = 32;

/// How often to check whether a frame has been published, when every drawing waits for that.
const PUBLISHED_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Loads the model on the worker's thread: at the start, and again whenever it has failed.
pub type Load<E> = Box<dyn FnMut() -> Result<E, EngineError> + Send>;

/// Starts the thread, from within a tokio runtime. It ends after [`Service::close`], when no
/// prediction is left.
///
/// # Errors
/// When the system provides no thread.
pub fn start<E: Engine + 'static>(
    service: Arc<Service>,
    load: Load<E>,
) -> std::io::Result<thread::JoinHandle<()>> {
    let worker = Worker {
        service,
        runtime: Handle::current(),
        load,
    };
    thread::Builder::new()
        .name("drawing".to_owned())
        .spawn(move || worker.run())
}

struct Worker<E> {
    service: Arc<Service>,
    /// Runs the publishers, and the queue and the store while the thread waits for them.
    runtime: Handle,
    load: Load<E>,
}

/// A prediction that this worker has leased.
struct Assignment {
    prediction: Arc<Prediction>,
    spec: Spec,
    publisher: UnboundedSender<WorkerMessage>,
}

/// A drawing that has a slot.
struct Session<D> {
    assignment: Assignment,
    /// A permit for each frame that may wait to be published.
    unpublished: Arc<Semaphore>,
    drawing: D,
    since: Instant,
}

/// Whether drawings that failed in a shared step are stepped one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stepping {
    Together,
    OneByOne,
}

impl<E: Engine> Worker<E> {
    fn run(mut self) {
        let mut loaded = self.set_up();
        while let Some(engine) = loaded {
            // An error here is a fault in the loop itself, or means that the model no longer works.
            // The sessions are dropped with it, which their publishers report as a crash.
            let Err(fault) = guarded(|| self.draw(&engine)).flatten() else {
                return;
            };
            let fault = chain(&fault);
            error!(fault, "the model failed and is being loaded again");
            self.service.readiness.model_failed(fault);
            // It may have failed for lack of memory, and two models need twice as much.
            drop(engine);
            loaded = self.reload();
            if loaded.is_some() {
                self.service.readiness.model_loaded(String::new());
            }
        }
    }

    fn set_up(&mut self) -> Option<E> {
        let began = Instant::now();
        info!("loading the model");
        match self.load() {
            Ok(engine) => {
                let provenance = engine.provenance();
                let line = format!(
                    "CLIP {} on {} in {} is ready after {:.1} s",
                    provenance.model,
                    provenance.device,
                    provenance.precision,
                    began.elapsed().as_secs_f64()
                );
                info!("{line}");
                let logs = format!("loading the model\n{line}\nServer ready\n");
                self.service.readiness.set_token_limit(engine.token_limit());
                self.service.readiness.model_loaded(logs);
                Some(engine)
            }
            Err(fault) => {
                let fault = chain(&fault);
                error!(fault, "the model could not be loaded");
                let logs = format!("worker setup failed: {fault}\n");
                self.service.readiness.setup_failed(logs);
                None
            }
        }
    }

    /// Tries to load the model until it succeeds; `None` if the server shuts down first.
    fn reload(&mut self) -> Option<E> {
        for pause in RELOAD_BACKOFF.pauses() {
            match self.load() {
                Ok(engine) => return Some(engine),
                Err(fault) => {
                    let fault = chain(&fault);
                    error!(
                        fault,
                        pause = pause.as_secs(),
                        "the model could not be loaded"
                    );
                    self.service.readiness.model_failed(fault);
                }
            }
            // Waiting predictions fail now, because it is unknown how long they would have to wait.
            while let Some(assignment) = self.next(Wait::No) {
                assignment.fail(WorkerFault::NotLoaded);
            }
            if self.service.shutdown.is_closed() {
                return None;
            }
            thread::sleep(pause);
        }
        None
    }

    fn load(&mut self) -> Result<E, WorkerFault> {
        Ok(guarded(|| (self.load)())??)
    }

    /// Leases the next prediction and starts its publisher. If there is none, waits for one or
    /// returns `None`, depending on `wait`. Returns `None` once the service is closed and the queue
    /// is empty.
    fn next(&self, wait: Wait) -> Option<Assignment> {
        let backends = &self.service.backends;
        loop {
            let lease = match wait {
                Wait::UntilClosed => self.runtime.block_on(backends.queue.lease()),
                Wait::No => self.runtime.block_on(backends.queue.try_lease()),
            };
            let lease = lease?;
            let stored = self
                .runtime
                .block_on(backends.store.unfinished(&lease.job.id));
            if let Some(prediction) = stored {
                return Some(self.assign(prediction, lease));
            }
            // It has ended already, for example through an earlier attempt that was believed lost.
            self.runtime.block_on(backends.queue.complete(lease));
        }
    }

    fn assign(&self, prediction: Arc<Prediction>, lease: Lease) -> Assignment {
        let spec = lease.job.input.spec().clone();
        Assignment {
            publisher: publisher::spawn(
                &self.service,
                &self.runtime,
                Arc::clone(&prediction),
                lease,
            ),
            prediction,
            spec,
        }
    }

    /// Draws until the service is closed. The error says why the model no longer works.
    fn draw(&self, engine: &E) -> Result<(), WorkerFault> {
        let provenance = Arc::new(engine.provenance().clone());
        let mut sessions: Vec<Session<E::Drawing>> = Vec::new();
        let mut held = None;
        let mut stepping = Stepping::Together;
        loop {
            let before = sessions.len();
            while sessions.len() < self.service.limits.slots {
                let Some(assignment) = self.admit(engine, &sessions, &mut held) else {
                    break;
                };
                sessions.extend(begin(engine, &provenance, assignment)?);
            }
            if sessions.is_empty() {
                return Ok(());
            }
            sessions.retain(|session| !session.end_if_cancelled());
            if sessions.len() != before {
                // With other drawings, a shared step may succeed again.
                stepping = Stepping::Together;
            }
            let (mut moving, blocked): (Vec<_>, Vec<_>) =
                sessions.into_iter().partition(Session::may_publish);
            if !moving.is_empty() {
                stepping = step(engine, &mut moving, stepping)?;
            } else if !blocked.is_empty() {
                thread::sleep(PUBLISHED_CHECK_INTERVAL);
            }
            sessions = moving;
            sessions.extend(blocked);
        }
    }

    /// The next prediction to draw beside some others. `held` is one that waits until those free memory; it goes first.
    /// Without drawings, waits for a prediction; `None` then means that the service is closed.
    fn admit(
        &self,
        engine: &E,
        sessions: &[Session<E::Drawing>],
        held: &mut Option<Assignment>,
    ) -> Option<Assignment> {
        let wait = if sessions.is_empty() {
            Wait::UntilClosed
        } else {
            Wait::No
        };
        loop {
            let was_held = held.is_some();
            let assignment = held.take().or_else(|| self.next(wait))?;
            if assignment.prediction.is_cancel_requested() {
                assignment.send(WorkerMessage::Ended(Outcome::Canceled));
                continue;
            }
            // Alone it may try: the estimate could be too high, and if it is not, the error says what is missing.
            if sessions.is_empty() || engine.has_memory_for(&assignment.spec) {
                return Some(assignment);
            }
            if !was_held {
                let id = assignment.prediction.id();
                info!(id, "a prediction waits until others free memory");
            }
            *held = Some(assignment);
            return None;
        }
    }
}

/// Begins a drawing; `None` if it fails at once. The error says why the model no longer works.
fn begin<E: Engine>(
    engine: &E,
    provenance: &Arc<Provenance>,
    assignment: Assignment,
) -> Result<Option<Session<E::Drawing>>, WorkerFault> {
    assignment.send(WorkerMessage::Started(Arc::clone(provenance)));
    match guarded(|| engine.start(&assignment.spec)) {
        Ok(Ok(drawing)) => return Ok(Some(Session::new(assignment, drawing))),
        Ok(Err(cause)) => assignment.fail(cause.into()),
        Err(panic) => {
            assignment.fail(panic);
            check(engine)?;
        }
    }
    Ok(None)
}

/// What to do when no prediction waits.
#[derive(Debug, Clone, Copy)]
enum Wait {
    UntilClosed,
    No,
}

impl Assignment {
    fn send(&self, message: WorkerMessage) {
        // If the publisher is gone, it has already ended the prediction.
        let _ = self.publisher.send(message);
    }

    fn fail(&self, fault: WorkerFault) {
        measure::fault();
        self.send(WorkerMessage::Ended(Failure::Worker(fault).into()));
    }
}

impl<D> Session<D> {
    fn new(assignment: Assignment, drawing: D) -> Self {
        Self {
            assignment,
            unpublished: Arc::new(Semaphore::new(MAX_UNPUBLISHED_FRAMES)),
            drawing,
            since: Instant::now(),
        }
    }

    fn may_publish(&self) -> bool {
        self.unpublished.available_permits() > 0
    }

    fn end_if_cancelled(&self) -> bool {
        let cancelled = self.assignment.prediction.is_cancel_requested();
        if cancelled {
            self.assignment
                .send(WorkerMessage::Ended(Outcome::Canceled));
        }
        cancelled
    }

    /// Reports some steps. Returns whether the last of them ended the drawing.
    fn report_all(&self, steps: Vec<Step>) -> bool {
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

/// Moves every drawing by a few steps, and removes those that end with them. Returns how to step the
/// rest: one by one after a shared step has failed.
fn step<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
    stepping: Stepping,
) -> Result<Stepping, WorkerFault> {
    if stepping == Stepping::Together && sessions.len() > 1 {
        let saved: Vec<_> = sessions
            .iter()
            .map(|session| session.drawing.clone())
            .collect();
        match step_together(engine, sessions) {
            Ok(()) => return Ok(Stepping::Together),
            Err(fault) => warn!(
                fault = chain(&fault),
                "a shared step failed; drawings continue one by one"
            ),
        }
        measure::fault();
        check(engine)?;
        for (session, drawing) in sessions.iter_mut().zip(saved) {
            session.drawing = drawing;
        }
    }
    let alone = sessions.len() == 1;
    let mut ended = Vec::with_capacity(sessions.len());
    for session in sessions.iter_mut() {
        ended.push(step_alone(engine, session)?);
    }
    let mut ended = ended.into_iter();
    sessions.retain(|_| !ended.next().unwrap_or(false));
    Ok(if alone {
        Stepping::Together
    } else {
        Stepping::OneByOne
    })
}

/// A few steps for all drawings; nothing is reported if any of them fails.
fn step_together<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
) -> Result<(), WorkerFault> {
    let mut drawings: Vec<_> = sessions
        .iter_mut()
        .map(|session| &mut session.drawing)
        .collect();
    let advances = guarded(|| engine.advance(&mut drawings))?;
    let advances = advances.into_iter().map(Advance::into_result);
    let advances = advances.collect::<Result<Vec<_>, _>>()?;
    let mut advances = advances.into_iter();
    sessions.retain(|session| {
        advances
            .next()
            .is_none_or(|steps| !session.report_all(steps))
    });
    Ok(())
}

/// A few steps for one drawing. Returns whether the drawing ended. The error means that the model no
/// longer works.
fn step_alone<E: Engine>(
    engine: &E,
    session: &mut Session<E::Drawing>,
) -> Result<bool, WorkerFault> {
    let drawing = &mut session.drawing;
    let fault = match guarded(|| engine.advance(&mut [drawing]).pop()) {
        Ok(Some(Advance { steps, error })) => {
            let ended = session.report_all(steps);
            match error {
                None => return Ok(ended),
                Some(cause) => cause.into(),
            }
        }
        Ok(None) => return Ok(false),
        Err(panic) => panic,
    };
    session.assignment.fail(fault);
    check(engine)?;
    Ok(true)
}

/// Checks whether a model that has just failed still works.
fn check<E: Engine>(engine: &E) -> Result<(), WorkerFault> {
    Ok(guarded(|| engine.check())??)
}

/// Runs something that may panic.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, WorkerFault> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| WorkerFault::Panicked(panic_message(&*panic).to_owned()))
}
