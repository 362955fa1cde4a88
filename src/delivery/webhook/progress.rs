//! Follows one prediction and decides what its receiver is told, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::event::{EventFilter, WebhookEvent};
use super::mailbox::{Mailbox, Transport};
use crate::cog::Status;
use crate::service::{Prediction, Snapshot};

/// What a receiver is told about.
pub(super) trait Subject: Send + Sync {
    /// Everything that is known by now.
    fn snapshot(&self) -> Snapshot;
    /// Whether the status is final.
    fn is_over(&self) -> bool;
    /// A number that grows with every change.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl Subject for Arc<Prediction> {
    fn snapshot(&self) -> Snapshot {
        Prediction::snapshot(self)
    }

    fn is_over(&self) -> bool {
        self.status().is_terminal()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Prediction::changes(self)
    }
}

/// One receiver and the prediction that it is told about.
#[derive(Debug)]
pub(super) struct Follower<S, T> {
    pub(super) subject: S,
    pub(super) mailbox: Mailbox<T>,
    pub(super) events: EventFilter,
    /// The least time from the beginning of one message to that of the next; `completed` does
    /// not wait for it.
    pub(super) throttle: Duration,
    /// How long a message may still be on its way when the prediction has ended.
    pub(super) overtime: Duration,
}

/// What the receiver has been told, or could have been.
#[derive(Debug, Default)]
struct Told {
    started: bool,
    files: usize,
    log_bytes: usize,
}

impl Told {
    /// What is new in a snapshot, if the receiver wants to hear of it; it counts as told.
    fn news(&mut self, snapshot: &Snapshot, events: &EventFilter) -> Option<WebhookEvent> {
        if snapshot.status == Status::Starting {
            return None;
        }
        if !self.started {
            self.started = true;
            if events.wants(WebhookEvent::Start) {
                return Some(WebhookEvent::Start);
            }
        }
        let news = [
            (snapshot.output.len() > self.files, WebhookEvent::Output),
            (snapshot.logs.len() > self.log_bytes, WebhookEvent::Logs),
        ];
        self.files = snapshot.output.len();
        self.log_bytes = snapshot.logs.len();
        news.into_iter()
            .find(|&(new, event)| new && events.wants(event))
            .map(|(_, event)| event)
    }
}

impl<S: Subject, T: Transport> Follower<S, T> {
    /// Tells the receiver all that it wants to hear, in order. Ends when the prediction has ended
    /// and the receiver knows it, or cannot be told.
    pub(super) async fn follow(self) {
        let last = self.progress().await;
        let Self {
            subject,
            mailbox,
            events,
            ..
        } = self;
        // The message is all that is needed from here on, which may be minutes.
        drop(subject);
        if events.wants(WebhookEvent::Completed) {
            mailbox.insist(WebhookEvent::Completed, last).await;
        }
    }

    /// Tells everything but the end, and returns the final state.
    async fn progress(&self) -> Snapshot {
        let mut told = Told::default();
        let mut changes = self.subject.changes();
        if !self.events.wants_progress() {
            self.over().await;
        }
        loop {
            changes.borrow_and_update();
            let snapshot = self.subject.snapshot();
            if snapshot.status.is_terminal() {
                self.catch_up(&mut told, &snapshot).await;
                return snapshot;
            }
            if let Some(event) = told.news(&snapshot, &self.events) {
                let next = Instant::now() + self.throttle;
                self.tell(event, snapshot).await;
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = self.over() => {}
                }
            } else {
                // The number lives as long as the subject, so this ends with a change.
                let _ = changes.changed().await;
            }
        }
    }

    /// Tells after the end what the receiver has missed: that the drawing has begun, if it was
    /// over before anybody looked, and the last files and lines, if no message about the end will
    /// bring them.
    async fn catch_up(&self, told: &mut Told, last: &Snapshot) {
        if last.started_at.is_none() {
            return;
        }
        let unfinished = last.clone().before_end();
        while let Some(event) = told.news(&unfinished, &self.events) {
            if event == WebhookEvent::Start || !self.events.wants(WebhookEvent::Completed) {
                self.tell(event, unfinished.clone()).await;
            }
        }
    }

    /// Sends a message once; that of the start tells of nothing else, however late it is. One
    /// that hangs when the prediction ends is dropped after a while: its connection is closed, or
    /// its stream reset, before `completed` is sent, so the receiver has seen the beginning of
    /// this message and its breaking off before it sees the last one.
    async fn tell(&self, event: WebhookEvent, mut snapshot: Snapshot) {
        if event == WebhookEvent::Start {
            snapshot = snapshot.at_start();
        }
        let too_late = async {
            self.over().await;
            tokio::time::sleep(self.overtime).await;
        };
        self.mailbox.try_once(event, snapshot, too_late).await;
    }

    /// Waits for the final status.
    async fn over(&self) {
        let mut changes = self.subject.changes();
        while !self.subject.is_over() {
            // The number lives as long as the subject, so this ends with a change.
            let _ = changes.changed().await;
        }
    }
}
