//! The handle of one prediction: its state, its events, and its subscribers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::accepted::{Accepted, RestartPolicy};
use super::event::{Event, History, Truncated};
use super::job::CancelPolicy;
use super::origin::Origin;
use super::outcome::{Completion, Outcome};
use super::snapshot::{PREDICT_TIME, Snapshot};
use crate::cog::Status;

/// A prediction from its acceptance to its end, shared by everything that follows it.
///
/// The state changes only by events, which come from the store. The first
/// [`Event::Completed`] is the last of them.
pub struct Prediction {
    id: Arc<str>,
    input: Arc<Map<String, Value>>,
    created_at: Timestamp,
    cancel_policy: CancelPolicy,
    /// The trace that it belongs to.
    trace: Option<String>,
    origin: Arc<Origin>,
    state: Mutex<PredictionState>,
    /// A number that grows with every change.
    changes: watch::Sender<u64>,
    cancel: CancellationToken,
    /// Cancelled when this process leaves the prediction to the next one.
    suspended: CancellationToken,
    /// Whether it is drawn again after a restart.
    drawn_again: AtomicBool,
    subscribers: AtomicUsize,
}

/// What callers see of a job: descriptions instead of the files among the inputs, which may be large.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShownJob {
    pub(crate) input: Map<String, Value>,
    pub(crate) origin: Origin,
}

#[derive(Debug)]
struct PredictionState {
    status: Status,
    /// Whether it waits for a slot.
    waiting: bool,
    /// The end is recorded, although it is not visible yet: no further event may get a number.
    sealed: bool,
    /// How many of its events come from the drawing. The others are notes.
    drawn_events: usize,
    started_at: Option<Timestamp>,
    /// The start, by a monotonic clock.
    started: Option<Instant>,
    completed_at: Option<Timestamp>,
    logs: String,
    output: Vec<Arc<str>>,
    metrics: Map<String, Value>,
    error: Option<Arc<str>>,
    history: History,
}

/// The request to cancel a prediction, which may outlive its handle.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    requested: CancellationToken,
    suspended: CancellationToken,
}

impl Cancellation {
    /// Waits until the cancellation is requested; forever if the prediction is left to another process instead.
    pub(crate) async fn requested(&self) {
        self.requested.cancelled().await;
        if self.suspended.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the cancellation is requested.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.is_cancelled() && !self.suspended.is_cancelled()
    }

    /// Whether the prediction is left to another process.
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.is_cancelled()
    }
}

/// A subscriber of the events, counted until this is dropped.
#[derive(Debug)]
pub struct Subscriber(Arc<Prediction>);

impl Drop for Subscriber {
    fn drop(&mut self) {
        let last = self.0.subscribers.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && self.0.cancel_policy == CancelPolicy::WithoutSubscribers {
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
    /// The handle of a prediction that has just been accepted. At most `replay` events are replayed to late subscribers.
    pub fn accepted(accepted: &Accepted, replay: usize) -> Self {
        let job = &accepted.job;
        let shown = ShownJob {
            input: job.input.shown_values(),
            origin: job.origin.clone(),
        };
        Self {
            cancel_policy: job.cancel_policy,
            trace: accepted.dispatch.trace.clone(),
            drawn_again: AtomicBool::new(accepted.restart_policy == RestartPolicy::DrawAgain),
            ..Self::shown(&job.id, job.created_at, shown, replay)
        }
    }

    /// The handle of a prediction that ends with events of a store. At most `replay` of them are replayed.
    pub(crate) fn shown(id: &str, created_at: Timestamp, job: ShownJob, replay: usize) -> Self {
        Self {
            id: id.into(),
            input: Arc::new(job.input),
            created_at,
            cancel_policy: CancelPolicy::OnRequest,
            trace: None,
            origin: Arc::new(job.origin),
            state: Mutex::new(PredictionState {
                status: Status::Starting,
                waiting: true,
                sealed: false,
                drawn_events: 0,
                started_at: None,
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
            suspended: CancellationToken::new(),
            drawn_again: AtomicBool::new(false),
            subscribers: AtomicUsize::new(0),
        }
    }

    /// What callers see of its job.
    pub(crate) fn shown_job(&self) -> ShownJob {
        ShownJob {
            input: Map::clone(&self.input),
            origin: Origin::clone(&self.origin),
        }
    }

    /// The identifier that the caller gave or the service generated.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was accepted.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The trace that it belongs to, as in the header `traceparent`, if its store passes it on.
    pub(crate) fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// How it was asked for.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The current state. The files are shared, not copied.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        Snapshot {
            id: Arc::clone(&self.id),
            status: state.status,
            input: Arc::clone(&self.input),
            output: state.output.clone(),
            omitted: 0,
            logs: state.logs.as_str().into(),
            error: state.error.clone(),
            metrics: state.metrics.clone(),
            created_at: self.created_at,
            started_at: state.started_at,
            completed_at: state.completed_at,
            origin: Arc::clone(&self.origin),
        }
    }

    /// The current state without the files.
    pub(crate) fn state_without_output(&self) -> Snapshot {
        Snapshot {
            output: Vec::new(),
            ..self.snapshot()
        }
    }

    /// The state when it was accepted.
    pub fn accepted_snapshot(&self) -> Snapshot {
        Snapshot::accepted(
            Arc::clone(&self.id),
            Arc::clone(&self.input),
            self.created_at,
            Arc::clone(&self.origin),
        )
    }

    /// The current status.
    pub fn status(&self) -> Status {
        self.state.lock().status
    }

    /// Requests its cancellation. A repeated request, or one after the end, has no effect.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether its cancellation was requested.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until its cancellation is requested.
    pub async fn cancel_requested(&self) {
        self.cancel.cancelled().await;
    }

    /// What happens to it if the server ends before it has ended.
    pub fn restart_policy(&self) -> RestartPolicy {
        if self.drawn_again.load(Ordering::Acquire) {
            RestartPolicy::DrawAgain
        } else {
            RestartPolicy::Cancel
        }
    }

    /// Lets it be drawn again after a restart.
    pub(crate) fn set_drawn_again(&self) {
        self.drawn_again.store(true, Ordering::Release);
    }

    /// Leaves it to the next process, unless its cancellation was requested before. The drawing stops as after a request
    /// to cancel it, but the prediction does not end.
    pub(crate) fn suspend(&self) {
        if !self.cancel.is_cancelled() {
            self.suspended.cancel();
            self.cancel.cancel();
            self.notify();
        }
    }

    /// Whether this process has left it to the next one.
    pub fn is_suspended(&self) -> bool {
        self.suspended.is_cancelled()
    }

    /// What requests to cancel it, and what leaves it to another process, for a task that does not keep it in memory.
    pub(crate) fn cancellation(&self) -> Cancellation {
        Cancellation {
            requested: self.cancel.clone(),
            suspended: self.suspended.clone(),
        }
    }

    /// Waits until this process leaves it to the next one.
    pub async fn suspended(&self) {
        self.suspended.cancelled().await;
    }

    /// A number that grows with every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits for the final status.
    pub async fn finished(&self) -> Snapshot {
        self.reaches(|state| state.status.is_terminal()).await;
        self.snapshot()
    }

    /// Waits until the prediction no longer waits for a slot.
    pub(super) async fn left_queue(&self) {
        self.reaches(|state| !state.waiting).await;
    }

    async fn reaches(&self, wanted: impl Fn(&PredictionState) -> bool) {
        let mut changes = self.changes();
        while !wanted(&self.state.lock()) {
            // The sender lives in `self`, so this ends with a change.
            let _ = changes.changed().await;
        }
    }

    /// Counts a subscriber of the events for as long as the value lives.
    pub fn subscriber(self: &Arc<Self>) -> Subscriber {
        self.subscribers.fetch_add(1, Ordering::AcqRel);
        Subscriber(Arc::clone(self))
    }

    /// How many subscribers follow the events.
    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Acquire)
    }

    /// The number of the event that a new subscriber begins with; `after` is the last one that it
    /// has seen, if it reconnects.
    ///
    /// # Errors
    /// When events that it has not seen are no longer kept.
    pub fn first_event(&self, after: Option<u64>) -> Result<u64, Truncated> {
        self.state.lock().history.first_for(after)
    }

    /// The event of that number; `None` if it has not happened yet. [`Event::Completed`] is the
    /// last event.
    ///
    /// # Errors
    /// When it is no longer kept.
    pub fn event(&self, number: u64) -> Result<Option<Event>, Truncated> {
        self.state.lock().history.event(number)
    }

    /// The number of the next event.
    pub(crate) fn next_event(&self) -> u64 {
        self.state.lock().history.next()
    }

    /// How many of its events come from the drawing. The others are notes about its delivery.
    pub(crate) fn drawn_events(&self) -> usize {
        self.state.lock().drawn_events
    }

    /// Lets it wait for a slot again.
    pub(super) fn wait_again(&self) {
        self.state.lock().waiting = true;
    }

    /// Begins to draw it once more. Its start stays that of the first time, but its time counts from now on.
    pub(crate) fn begin_again(&self) {
        {
            let mut state = self.state.lock();
            state.waiting = false;
            state.started = Some(Instant::now());
        }
        self.notify();
    }

    /// Gives no further event a number, because the end has got its number.
    pub(super) fn seal(&self) {
        self.state.lock().sealed = true;
    }

    /// Whether a note would still be an event.
    pub(crate) fn takes_events(&self) -> bool {
        let state = self.state.lock();
        !state.sealed && !state.status.is_terminal()
    }

    /// How many files it has.
    pub(super) fn files(&self) -> usize {
        self.state.lock().output.len()
    }

    /// The URL of a file; `None` if there is no file of that index yet.
    pub fn file(&self, index: usize) -> Option<Arc<str>> {
        self.state.lock().output.get(index).cloned()
    }

    /// The bytes of the URLs of its files, which hold the files themselves if they are data URLs.
    pub fn output_bytes(&self) -> usize {
        self.state.lock().output.iter().map(|file| file.len()).sum()
    }

    /// The completion that it would have if it ended now.
    pub(crate) fn completion(&self, outcome: Outcome) -> Completion {
        let started = self.state.lock().started;
        Completion {
            outcome,
            completed_at: Timestamp::now(),
            predict_time: started.map_or(0.0, |since| since.elapsed().as_secs_f64()),
        }
    }

    /// Adds a line about the delivery of the prediction to its log. Only stores may call this. Delivery may continue after
    /// the prediction has ended; then the line is not an event, because the event streams have ended.
    pub fn add_note(&self, line: &str) {
        let event = Event::log(line);
        {
            let mut state = self.state.lock();
            state.apply(&event);
            if !state.sealed && !state.status.is_terminal() {
                state.history.push(event);
            }
        }
        self.notify();
    }

    fn notify(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// Adds events, and wakes all watchers once all of them are visible. Only stores may call this.
    /// Nothing happens after [`Event::Completed`].
    pub fn apply(&self, events: Vec<Event>) {
        let mut changed = false;
        {
            let mut state = self.state.lock();
            for event in events {
                if state.status.is_terminal() {
                    break;
                }
                state.apply(&event);
                state.history.push(event);
                state.drawn_events += 1;
                changed = true;
            }
        }
        if changed {
            self.notify();
        }
    }
}

impl PredictionState {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Start { started_at } => {
                self.status = Status::Processing;
                self.waiting = false;
                self.started_at = Some(*started_at);
                self.started = Some(Instant::now());
            }
            Event::Log { data } => self.logs.push_str(data),
            Event::Metric { name, value } => {
                self.metrics
                    .insert(name.clone().into_owned(), value.clone());
            }
            Event::Output { file, .. } => self.output.push(Arc::clone(file)),
            Event::Completed(completion) => self.complete(completion),
        }
    }

    fn complete(&mut self, completion: &Completion) {
        if let Outcome::Failed(message) = &completion.outcome {
            self.error = Some(message.as_str().into());
        }
        self.metrics
            .insert(PREDICT_TIME.to_owned(), completion.predict_time.into());
        self.completed_at = Some(completion.completed_at);
        self.status = completion.outcome.status();
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::accepted::Dispatch;
    use crate::service::job::Job;

    fn prediction() -> Prediction {
        let accepted = Accepted {
            job: Job::sample("a"),
            restart_policy: RestartPolicy::Cancel,
            receiver: None,
            dispatch: Dispatch::default(),
        };
        Prediction::accepted(&accepted, 8)
    }

    #[test]
    fn an_end_wakes_everybody_although_events_follow_it_in_the_same_batch() {
        let prediction = prediction();
        let mut changes = prediction.changes();
        let end = Event::Completed(prediction.completion(Outcome::Succeeded));
        prediction.apply(vec![end, Event::log("too late")]);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(prediction.snapshot().logs.as_ref(), "");
        prediction.apply(vec![Event::log("too late")]);
        assert!(!changes.has_changed().unwrap());
    }
}
