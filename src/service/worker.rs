//! The thread that owns the model and draws.
//!
//! Every failure in libtorch, including panics, is caught here: the prediction that caused it fails
//! with a message, the others continue, and the model is loaded again if it no longer works.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::fault::{EngineError, WorkerFault};
use super::fetching::{Fetching, Leased};
use super::lifecycle::{Backends, Service};
use super::message::WorkerMessage;
use super::outcome::Outcome;
use super::publisher;
use super::queue::Lease;
use super::session::{Assignment, Session};
use super::stepping::{Stepping, check, guarded, step};
use crate::backoff::Backoff;
use crate::errors::chain;
use crate::output::Provenance;

/// The pauses before the model is loaded again after a failure.
const RELOAD_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_mins(1),
    repeats: Backoff::ENDLESS,
};

/// How often to check whether a frame has been published, when every drawing waits for that.
const PUBLISHED_CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How often to check whether the store can write again, when every prediction waits for that.
const STORE_CHECK_INTERVAL: Duration = Duration::from_millis(200);

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
        fetching: Fetching::new(),
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
    fetching: Fetching,
    load: Load<E>,
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
                let logs = format!("loading the model\n{line}\nServer ready\n");
                self.service.readiness.set_token_limit(engine.token_limit());
                self.service.readiness.set_model(provenance);
                self.service.readiness.model_loaded(logs);
                // After this line, requests must be answered.
                info!("{line}");
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
            // Waiting predictions fail now, because it is unknown how long they would have to wait, unless others can draw them.
            while !self.backends().store.is_shared()
                && let Some(assignment) = self.next(Wait::No)
            {
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
            if let Some(leased) = self.fetching.try_next() {
                return Some(self.assign(leased));
            }
            let leased = match wait {
                Wait::UntilClosed => self.runtime.block_on(self.lease_or_fetched()),
                Wait::No => match self.runtime.block_on(backends.queue.try_lease()) {
                    Some(lease) => Next::Lease(lease),
                    None => Next::Nothing,
                },
            };
            let lease = match leased {
                Next::Lease(lease) => lease,
                Next::Fetched(leased) => return Some(self.assign(leased)),
                Next::Nothing => return None,
                Next::Ended => continue,
            };
            let stored = self.runtime.block_on(backends.store.leased(&lease));
            let Some(prediction) = stored else {
                // It has ended already, for example through an earlier attempt that was believed lost.
                self.runtime.block_on(backends.queue.complete(lease));
                continue;
            };
            let leased = Leased { prediction, lease };
            if leased.lease.job.input.links().is_empty() {
                return Some(self.assign(leased));
            }
            self.fetching.start(&self.service, &self.runtime, leased);
        }
    }

    /// Waits for a job or a prediction whose files were fetched.
    async fn lease_or_fetched(&self) -> Next {
        let lease = tokio::select! {
            biased;
            fetched = self.fetching.next() => return fetched.map_or(Next::Ended, Next::Fetched),
            lease = self.service.backends.queue.lease() => lease,
        };
        match lease {
            Some(lease) => Next::Lease(lease),
            // The queue is closed, and the last predictions may still wait for their files.
            None if self.fetching.is_empty() => Next::Nothing,
            None => self
                .fetching
                .next()
                .await
                .map_or(Next::Ended, Next::Fetched),
        }
    }

    fn assign(&self, Leased { prediction, lease }: Leased) -> Assignment {
        if self.backends().store.is_shared() {
            // The process that has accepted it may be gone.
            let _entered = self.runtime.enter();
            self.service.cancel_at_deadline(&prediction);
        }
        let spec = lease.job.input.spec().clone();
        let outputs = lease.job.input.outputs();
        // A lease that waits until others have ended would keep the prediction from idle workers of other processes.
        let is_alone = lease.attempt > 1 && !self.backends().store.is_shared();
        if is_alone {
            info!(
                id = prediction.id(),
                attempt = lease.attempt,
                "an earlier attempt to draw a prediction has no end; it is drawn alone"
            );
        }
        Assignment {
            publisher: publisher::spawn(
                &self.service,
                &self.runtime,
                Arc::clone(&prediction),
                lease,
            ),
            prediction,
            spec,
            outputs,
            is_alone,
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

    /// The next prediction to draw beside some others. `held` is one that waits for those, because it needs their memory or
    /// is drawn alone; it goes first. Without drawings, waits for a prediction; `None` then means that the service is closed.
    fn admit(
        &self,
        engine: &E,
        sessions: &[Session<E::Drawing>],
        held: &mut Option<Assignment>,
    ) -> Option<Assignment> {
        if sessions.iter().any(|session| session.assignment.is_alone) {
            return None;
        }
        let wait = if sessions.is_empty() {
            Wait::UntilClosed
        } else {
            Wait::No
        };
        loop {
            if held.is_none() && self.backends().store.fault().is_some() {
                if !sessions.is_empty() || self.is_done() {
                    return None;
                }
                thread::sleep(STORE_CHECK_INTERVAL);
                continue;
            }
            let was_held = held.is_some();
            let assignment = held.take().or_else(|| self.next(wait))?;
            if assignment.prediction.is_cancel_requested() {
                assignment.send(WorkerMessage::Ended(Outcome::Canceled));
                continue;
            }
            // Alone it may try: the estimate could be too high, and if it is not, the error says what is missing.
            if sessions.is_empty()
                || !assignment.is_alone
                    && engine.has_memory_for(&assignment.spec, assignment.outputs)
            {
                if self.record_begin(&assignment, engine.provenance()) {
                    return Some(assignment);
                }
                assignment.send(WorkerMessage::Released);
                continue;
            }
            if !was_held {
                let id = assignment.prediction.id();
                info!(id, "a prediction waits until others have ended");
            }
            *held = Some(assignment);
            return None;
        }
    }
}

impl<E> Worker<E> {
    fn backends(&self) -> &Backends {
        &self.service.backends
    }

    /// Records that a prediction is begun, before its first step; false if the store cannot write.
    fn record_begin(&self, assignment: &Assignment, by: &Provenance) -> bool {
        let store = &self.backends().store;
        let recorded = self
            .runtime
            .block_on(store.begin(&assignment.prediction, by));
        if let Err(fault) = &recorded {
            let fault = chain(fault);
            warn!(fault, "a prediction waits until the store can write");
            // Without a fault of the store, the same would happen again at once.
            thread::sleep(STORE_CHECK_INTERVAL);
        }
        recorded.is_ok()
    }

    /// Whether the service is closed and no prediction waits.
    fn is_done(&self) -> bool {
        let closed = self.service.shutdown.is_closed() && self.fetching.is_empty();
        // Others draw what still waits in a shared queue.
        closed
            && (self.backends().store.is_shared()
                || self.runtime.block_on(self.backends().queue.depth()).total() == 0)
    }
}

/// Begins the drawings of a prediction; `None` if it fails at once. The error says why the model no longer works.
fn begin<E: Engine>(
    engine: &E,
    provenance: &Arc<Provenance>,
    assignment: Assignment,
) -> Result<Option<Session<E::Drawing>>, WorkerFault> {
    assignment.send(WorkerMessage::Started(Arc::clone(provenance)));
    match guarded(|| engine.start_several(&assignment.spec, assignment.outputs)) {
        Ok(Ok(drawings)) => return Ok(Some(Session::new(assignment, drawings))),
        Ok(Err(cause)) => assignment.fail(cause.into()),
        Err(panic) => {
            assignment.fail(panic);
            check(engine)?;
        }
    }
    Ok(None)
}

/// What a worker that wants a prediction gets.
enum Next {
    /// A job.
    Lease(Lease),
    /// A prediction whose files were fetched.
    Fetched(Leased),
    /// A prediction ended, because its files could not be fetched or it was cancelled.
    Ended,
    /// There is none.
    Nothing,
}

/// What to do when no prediction waits.
#[derive(Debug, Clone, Copy)]
enum Wait {
    UntilClosed,
    No,
}
