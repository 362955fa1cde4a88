//! Follows one prediction and decides which messages its receiver gets, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::deliver::{Deliverer, Transport};
use super::event::{EventFilter, WebhookEvent, files_of, is_first};
use crate::cog::Status;
use crate::service::{Prediction, Snapshot};

/// A prediction whose receiver gets messages.
pub(super) trait ReportedPrediction: Send + Sync {
    /// The current state.
    fn snapshot(&self) -> Snapshot;
    /// Whether the status is final, or the prediction is left to the next process.
    fn is_over(&self) -> bool;
    /// Whether the prediction is left to the next process.
    fn is_suspended(&self) -> bool;
    /// A number that grows with every change.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl ReportedPrediction for Arc<Prediction> {
    fn snapshot(&self) -> Snapshot {
        Prediction::snapshot(self)
    }

    fn is_over(&self) -> bool {
        self.status().is_terminal() || Prediction::is_suspended(self)
    }

    fn is_suspended(&self) -> bool {
        Prediction::is_suspended(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Prediction::changes(self)
    }
}

/// Reports the progress of one prediction to its receiver.
#[derive(Debug)]
pub(super) struct WebhookTask<P, T> {
    pub(super) prediction: P,
    pub(super) deliverer: Deliverer<T>,
    pub(super) events: EventFilter,
    /// The minimum time from the start of one message to the start of the next. `completed` does
    /// not wait for it.
    pub(super) throttle: Duration,
    /// How long an attempt may continue after the prediction has ended.
    pub(super) grace: Duration,
    /// What the receiver has been sent before.
    pub(super) sent: Sent,
}

/// What the receiver has been sent, or would have been if it wanted it.
#[derive(Debug, Default)]
pub(super) struct Sent {
    started: bool,
    files: usize,
    log_bytes: usize,
}

impl Sent {
    /// What a receiver has been sent for certain of a prediction that an earlier process has left, which has recorded the
    /// name of a message last. Whether that message was sent is unknown, so it is sent once more, or a newer one instead. What
    /// was recorded before it is not: the receiver would get an older state after a newer one.
    pub(super) fn before(last: &str) -> Self {
        if is_first(last) {
            return Self::default();
        }
        Self {
            started: true,
            files: files_of(last).map_or(0, |files| files.saturating_sub(1)),
            log_bytes: 0,
        }
    }

    /// What a receiver has been sent that got a message of this name last.
    pub(super) fn up_to(name: &str) -> Self {
        Self {
            started: true,
            files: files_of(name).unwrap_or_default(),
            log_bytes: 0,
        }
    }

    /// The message for what is new in a snapshot, if the receiver wants it. It counts as sent.
    fn next(&mut self, snapshot: &Snapshot, events: &EventFilter) -> Option<WebhookEvent> {
        if snapshot.status == Status::Starting {
            return None;
        }
        if !self.started {
            self.started = true;
            if events.wants(WebhookEvent::Start) {
                return Some(WebhookEvent::Start);
            }
        }
        let new = [
            (snapshot.output.len() > self.files, WebhookEvent::Output),
            (snapshot.logs.len() > self.log_bytes, WebhookEvent::Logs),
        ];
        self.files = snapshot.output.len();
        self.log_bytes = snapshot.logs.len();
        new.into_iter()
            .find(|&(is_new, event)| is_new && events.wants(event))
            .map(|(_, event)| event)
    }
}

impl<P: ReportedPrediction, T: Transport> WebhookTask<P, T> {
    /// Sends all messages that the receiver wants, in order. Ends when the prediction has ended and
    /// `completed` has been delivered or given up. Returns whether nothing is left for the next start of the server.
    pub(super) async fn run(mut self) -> bool {
        let mut sent = std::mem::take(&mut self.sent);
        let Some(last) = self.progress(&mut sent).await else {
            return false;
        };
        let Self {
            prediction,
            deliverer,
            events,
            ..
        } = self;
        // The attempts may take minutes, and need only the message.
        drop(prediction);
        !events.wants(WebhookEvent::Completed)
            || deliverer.retry(WebhookEvent::Completed, last).await
    }

    /// Sends everything except `completed`, and returns the final state; `None` if the prediction is left to the next
    /// process.
    async fn progress(&self, sent: &mut Sent) -> Option<Snapshot> {
        let mut changes = self.prediction.changes();
        if !self.events.wants_progress() {
            self.over().await;
        }
        loop {
            changes.borrow_and_update();
            let snapshot = self.prediction.snapshot();
            if snapshot.status.is_terminal() {
                self.catch_up(sent, &snapshot).await;
                return Some(snapshot);
            }
            if self.prediction.is_suspended() {
                return None;
            }
            if let Some(event) = sent.next(&snapshot, &self.events) {
                let next = Instant::now() + self.throttle;
                self.send(event, snapshot).await;
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = self.over() => {}
                }
            } else {
                // The number lives as long as the prediction, so this ends with a change.
                let _ = changes.changed().await;
            }
        }
    }

    /// Sends after the end what the receiver has missed: the start, if the drawing ended before
    /// that was sent, and the last files and lines, if no `completed` will contain them.
    async fn catch_up(&self, sent: &mut Sent, last: &Snapshot) {
        if last.started_at.is_none() {
            return;
        }
        let unfinished = last.clone().before_end();
        while let Some(event) = sent.next(&unfinished, &self.events) {
            if event == WebhookEvent::Start || !self.events.wants(WebhookEvent::Completed) {
                self.send(event, unfinished.clone()).await;
            }
        }
    }

    /// Sends a message once. `start` contains only the start, however late it is sent. A message
    /// that is still being sent some time after the end is dropped: its connection is closed, or
    /// its stream reset, before `completed` is sent, so that the receiver never sees it later.
    async fn send(&self, event: WebhookEvent, mut snapshot: Snapshot) {
        if event == WebhookEvent::Start {
            snapshot = snapshot.at_start();
        }
        let too_late = async {
            self.over().await;
            tokio::time::sleep(self.grace).await;
        };
        self.deliverer.try_once(event, snapshot, too_late).await;
    }

    /// Waits for the final status.
    async fn over(&self) {
        let mut changes = self.prediction.changes();
        while !self.prediction.is_over() {
            // The number lives as long as the prediction, so this ends with a change.
            let _ = changes.changed().await;
        }
    }
}
