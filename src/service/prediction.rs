//! One prediction: what is known of it, and everybody who watches it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::event::{Event, History, Truncated};
use super::measure;
use super::snapshot::{PREDICT_TIME, Snapshot};
use super::status::Status;

/// A prediction from its acceptance to its final word, shared by all who have to do with it.
pub struct Prediction {
    id: Arc<str>,
    input: Arc<Map<String, Value>>,
    created_at: Timestamp,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    cancel: CancellationToken,
    subscribers: AtomicUsize,
    lifeline: Lifeline,
}

/// Who has to stay for a prediction to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifeline {
    /// Nobody.
    None,
    /// At least one subscriber, once there was one.
    Subscribers,
}

#[derive(Debug)]
struct State {
    status: Status,
    started: Option<(Instant, Timestamp)>,
    completed_at: Option<Timestamp>,
    logs: String,
    output: Vec<Arc<str>>,
    metrics: Map<String, Value>,
    error: Option<Arc<str>>,
    history: History,
}

/// How a prediction ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The drawing is finished.
    Succeeded,
    /// It was stopped on request.
    Canceled,
    /// An error stopped it; the message is for the caller.
    Failed(String),
}

/// Somebody who follows the events; gone when dropped.
#[derive(Debug)]
pub struct Subscriber(Arc<Prediction>);

impl Drop for Subscriber {
    fn drop(&mut self) {
        let last = self.0.subscribers.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && self.0.lifeline == Lifeline::Subscribers {
            self.0.cancel();
        }
    }
}

impl fmt::Debug for Prediction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Prediction")
            .field("id", &self.id)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Prediction {
    pub(super) fn new(
        id: String,
        input: Map<String, Value>,
        replay: usize,
        lifeline: Lifeline,
    ) -> Self {
        Self {
            id: id.into(),
            input: Arc::new(input),
            created_at: Timestamp::now(),
            state: Mutex::new(State {
                status: Status::Starting,
                started: None,
                completed_at: None,
                logs: String::new(),
                output: Vec::new(),
                metrics: Map::new(),
                error: None,
                history: History::new(replay),
            }),
            changes: watch::Sender::new(0),
            cancel: CancellationToken::new(),
            subscribers: AtomicUsize::new(0),
            lifeline,
        }
    }

    /// The identifier, as the caller gave it or as it was made up.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was accepted.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Everything that is known by now. The files are shared, not copied.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        Snapshot {
            id: Arc::clone(&self.id),
            status: state.status,
            input: Arc::clone(&self.input),
            output: state.output.clone(),
            logs: state.logs.as_str().into(),
            error: state.error.clone(),
            metrics: state.metrics.clone(),
            created_at: self.created_at,
            started_at: state.started.map(|(_, at)| at),
            completed_at: state.completed_at,
        }
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.state.lock().status
    }

    /// Asks it to stop; to ask again, or after the end, changes nothing.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it was asked to stop.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until it is asked to stop.
    pub(super) async fn cancel_requested(&self) {
        self.cancel.cancelled().await;
    }

    /// A number that grows with every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits for the final status.
    pub async fn finished(&self) -> Snapshot {
        let mut changes = self.changes();
        while !self.status().is_terminal() {
            // The sender lives in `self`, so this ends with a change.
            let _ = changes.changed().await;
        }
        self.snapshot()
    }

    /// Counts one who follows the events, for as long as the value lives.
    pub fn subscriber(self: &Arc<Self>) -> Subscriber {
        self.subscribers.fetch_add(1, Ordering::AcqRel);
        Subscriber(Arc::clone(self))
    }

    /// How many follow the events.
    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Acquire)
    }

    /// The number of the event that a new subscriber begins with; `after` is the last one that it
    /// has seen, if it comes back.
    ///
    /// # Errors
    /// When events that it should be told are kept no longer.
    pub fn first_event(&self, after: Option<u64>) -> Result<u64, Truncated> {
        self.state.lock().history.first_for(after)
    }

    /// The event of that number; nothing if it has not happened yet. After
    /// [`Event::Completed`] nothing happens any more.
    ///
    /// # Errors
    /// When it is kept no longer.
    pub fn event(&self, number: u64) -> Result<Option<Event>, Truncated> {
        self.state.lock().history.event(number)
    }

    /// The bytes of its files.
    pub(super) fn output_bytes(&self) -> usize {
        self.state.lock().output.iter().map(|file| file.len()).sum()
    }

    pub(super) fn start(&self) {
        self.change(|state| {
            state.status = Status::Processing;
            state.started = Some((Instant::now(), Timestamp::now()));
            state.history.push(Event::Start);
        });
    }

    /// Adds a line to the log.
    pub(super) fn log(&self, line: &str) {
        self.change(|state| {
            let data: Arc<str> = format!("{line}\n").into();
            state.logs.push_str(&data);
            state.history.push(Event::Log { data });
        });
    }

    pub(super) fn metric(&self, name: &'static str, value: Value) {
        self.change(|state| {
            state.metrics.insert(name.to_owned(), value.clone());
            state.history.push(Event::Metric { name, value });
        });
    }

    /// Adds a file by its URL.
    pub(super) fn output(&self, file: Arc<str>) {
        self.change(|state| {
            let index = state.output.len();
            state.output.push(Arc::clone(&file));
            state.history.push(Event::Output { index, file });
        });
    }

    /// Speaks the final word; the first ending counts. It is in the numbers before anybody hears
    /// it, so that who looks at them afterwards finds it there.
    pub(super) fn finish(&self, ending: &Ending) {
        self.change(|state| {
            if let Ending::Failed(message) = ending {
                let data: Arc<str> = format!("{message}\n").into();
                state.logs.push_str(&data);
                state.history.push(Event::Log { data });
                state.error = Some(message.as_str().into());
            }
            let elapsed = state
                .started
                .map_or(0.0, |(since, _)| since.elapsed().as_secs_f64());
            state
                .metrics
                .insert(PREDICT_TIME.to_owned(), elapsed.into());
            state.completed_at = Some(Timestamp::now());
            state.status = ending.status();
            state.history.push(Event::Completed);
            measure::finished(state.status, elapsed);
        });
    }

    /// Changes the state, unless the final word has been spoken, and tells everybody.
    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state.lock();
            if state.status.is_terminal() {
                return;
            }
            change(&mut state);
        }
        self.changes.send_modify(|number| *number += 1);
    }
}

impl Ending {
    /// The status that it leads to.
    pub fn status(&self) -> Status {
        match self {
            Self::Succeeded => Status::Succeeded,
            Self::Canceled => Status::Canceled,
            Self::Failed(_) => Status::Failed,
        }
    }
}
