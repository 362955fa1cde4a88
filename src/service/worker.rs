//! The thread that owns the model and draws.
//!
//! Everything that can go wrong in libtorch, a panic included, ends here: the prediction that
//! it concerns fails with a message, the others go on, and the model is loaded again if it does
//! not work any more.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::measure;
use super::prediction::{Ending, Prediction};
use super::registry::{Job, Registry};
use super::report::Report;
use crate::draw::Progress;
use crate::errors::{chain, panic_message};

/// Waits before the model is loaded again after it broke, doubling from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// Loads the model on the worker's thread: at the start, and again whenever it broke.
pub type Load<E> = Box<dyn FnMut() -> Result<E, Box<dyn Error>> + Send>;

/// Starts the thread. It ends after [`Registry::close`], when no drawing is left.
///
/// # Errors
/// When the system gives no thread.
pub fn start<E: Engine + 'static>(
    registry: Arc<Registry>,
    load: Load<E>,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name("drawing".to_owned())
        .spawn(move || Worker { registry, load }.run())
}

struct Worker<E> {
    registry: Arc<Registry>,
    load: Load<E>,
}

/// The most frames of one drawing that wait for their files: when an upload is slower than the
/// drawing, it is the drawing that waits, and not the memory that fills.
const FRAMES_ON_THEIR_WAY: usize = 32;

/// How often it is looked whether a file has left, when all drawings wait for theirs.
const LOOKING: Duration = Duration::from_millis(10);

/// A drawing that has a slot.
struct Session<D> {
    prediction: Arc<Prediction>,
    reports: UnboundedSender<Report>,
    /// Room for frames on their way.
    room: Arc<Semaphore>,
    drawing: D,
    since: Instant,
}

impl<E: Engine> Worker<E> {
    fn run(mut self) {
        let mut loaded = self.set_up();
        while let Some(engine) = loaded {
            // Only a fault in the loop itself or a broken model is an error here; the sessions
            // that it had are dropped, which their couriers report as a crash.
            let Err(trouble) = guarded(|| self.draw(&engine)).unwrap_or_else(Err) else {
                return;
            };
            error!(trouble, "the model is loaded again");
            self.registry.broken(trouble);
            // Memory may be what it broke for want of, and two models need twice as much.
            drop(engine);
            loaded = self.reload();
            if loaded.is_some() {
                self.registry.setup_succeeded(String::new());
            }
        }
    }

    fn set_up(&mut self) -> Option<E> {
        let began = Instant::now();
        info!("loading the model");
        match guarded(|| (self.load)().map_err(|cause| chain(&*cause))).unwrap_or_else(Err) {
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
                self.registry
                    .setup_succeeded(format!("loading the model\n{line}\nServer ready\n"));
                Some(engine)
            }
            Err(trouble) => {
                error!(trouble, "the model could not be loaded");
                self.registry
                    .setup_failed(format!("worker setup failed: {trouble}\n"));
                None
            }
        }
    }

    /// Loads the model until that works; nothing if the server shuts down before.
    fn reload(&mut self) -> Option<E> {
        let mut pause = FIRST_PAUSE;
        loop {
            match guarded(|| (self.load)().map_err(|cause| chain(&*cause))).unwrap_or_else(Err) {
                Ok(engine) => return Some(engine),
                Err(trouble) => {
                    error!(
                        trouble,
                        pause = pause.as_secs(),
                        "the model could not be loaded"
                    );
                    self.registry.broken(trouble);
                }
            }
            // Who waits would wait for an unknown time.
            while let Some(job) = self.registry.take(false) {
                fail(&job.reports, "the model is out of order");
            }
            if self.registry.is_closed() {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Draws until the book is closed; the error says why the model is out of order.
    fn draw(&self, engine: &E) -> Result<(), String> {
        let provenance = Arc::new(engine.provenance().clone());
        let mut sessions: Vec<Session<E::Drawing>> = Vec::new();
        let mut apart = false;
        loop {
            let before = sessions.len();
            while sessions.len() < self.registry.limits().slots {
                let Some(job) = self.registry.take(sessions.is_empty()) else {
                    break;
                };
                if job.prediction.is_cancel_requested() {
                    tell(&job.reports, Report::Ended(Ending::Canceled));
                    continue;
                }
                tell(&job.reports, Report::Started(Arc::clone(&provenance)));
                match guarded(|| engine.start(&job.spec).map_err(|cause| chain(&cause))) {
                    Ok(Ok(drawing)) => sessions.push(Session::new(job, drawing)),
                    Ok(Err(message)) => fail(&job.reports, &message),
                    Err(panic) => {
                        fail(&job.reports, &panic);
                        examine(engine)?;
                    }
                }
            }
            if sessions.is_empty() {
                return Ok(());
            }
            sessions.retain(|session| !session.give_up_if_asked());
            // New company is worth another try together.
            apart &= before == sessions.len();
            let (mut moving, waiting): (Vec<_>, Vec<_>) =
                sessions.into_iter().partition(Session::has_room);
            if !moving.is_empty() {
                apart = step(engine, &mut moving, apart)?;
            } else if !waiting.is_empty() {
                thread::sleep(LOOKING);
            }
            sessions = moving;
            sessions.extend(waiting);
        }
    }
}

impl<D> Session<D> {
    fn new(job: Job, drawing: D) -> Self {
        Self {
            prediction: job.prediction,
            reports: job.reports,
            room: Arc::new(Semaphore::new(FRAMES_ON_THEIR_WAY)),
            drawing,
            since: Instant::now(),
        }
    }

    fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    fn give_up_if_asked(&self) -> bool {
        let asked = self.prediction.is_cancel_requested();
        if asked {
            tell(&self.reports, Report::Ended(Ending::Canceled));
        }
        asked
    }

    /// Reports a step; whether it was the last.
    fn report(&self, progress: Progress) -> bool {
        if let Some(frame) = progress.frame {
            let pace = progress.step as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
            let room = Arc::clone(&self.room).try_acquire_owned();
            let room = room.expect("only a drawing with room is moved, by one frame at most");
            tell(&self.reports, Report::Frame { frame, pace, room });
        }
        if progress.finished {
            tell(&self.reports, Report::Ended(Ending::Succeeded));
        }
        progress.finished
    }
}

/// Moves every drawing by one step, and takes away those that end with it. Returns whether they
/// had to be stepped one by one, as they are from then on if `apart`.
fn step<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
    apart: bool,
) -> Result<bool, String> {
    measure::steps(sessions.len());
    let together = !apart && sessions.len() > 1;
    if together {
        let saved: Vec<_> = sessions
            .iter()
            .map(|session| session.drawing.clone())
            .collect();
        match step_together(engine, sessions) {
            Ok(()) => return Ok(false),
            Err(trouble) => warn!(trouble, "drawings failed together and go on one by one"),
        }
        measure::fault();
        examine(engine)?;
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
    Ok(!alone)
}

/// One step for all; nothing is reported if any of them fails.
fn step_together<E: Engine>(
    engine: &E,
    sessions: &mut Vec<Session<E::Drawing>>,
) -> Result<(), String> {
    let mut drawings: Vec<_> = sessions
        .iter_mut()
        .map(|session| &mut session.drawing)
        .collect();
    let results = guarded(|| engine.advance(&mut drawings))?;
    let progress = results
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| chain(&cause))?;
    let mut progress = progress.into_iter();
    sessions.retain(|session| progress.next().is_none_or(|done| !session.report(done)));
    Ok(())
}

/// One step for one drawing; whether it ended. The error says that the model is out of order.
fn step_alone<E: Engine>(engine: &E, session: &mut Session<E::Drawing>) -> Result<bool, String> {
    let drawing = &mut session.drawing;
    match guarded(|| engine.advance(&mut [drawing]).pop()) {
        Ok(Some(Ok(progress))) => Ok(session.report(progress)),
        Ok(Some(Err(cause))) => {
            fail(&session.reports, &chain(&cause));
            examine(engine)?;
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(panic) => {
            fail(&session.reports, &panic);
            examine(engine)?;
            Ok(true)
        }
    }
}

/// Asks a model that has just failed whether it still works.
fn examine<E: Engine>(engine: &E) -> Result<(), String> {
    guarded(|| engine.check().map_err(|cause| chain(&*cause)))?
}

fn fail(reports: &UnboundedSender<Report>, message: &str) {
    measure::fault();
    let message = format!("Prediction failed: {message}");
    tell(reports, Report::Ended(Ending::Failed(message)));
}

fn tell(reports: &UnboundedSender<Report>, report: Report) {
    // A courier that is gone has spoken the final word already.
    let _ = reports.send(report);
}

/// Runs something that may panic; the error is what the panic said.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| format!("the worker panicked: {}", panic_message(&*panic)))
}
