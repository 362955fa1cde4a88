//! The way of one message to its receiver: attempts, pauses, and what becomes of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, histogram};
use reqwest::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::event::WebhookEvent;
use crate::backoff::Backoff;
use crate::delivery::SendError;
use crate::service::Snapshot;
use crate::telemetry::metric;

/// The longest pause between two attempts once the server wants to stop.
const HURRIED_PAUSE: Duration = Duration::from_secs(1);

/// Sends one message once.
pub(super) trait Transport: Send + Sync {
    /// The status of the answer.
    fn post(&self, json: Bytes) -> impl Future<Output = Result<StatusCode, SendError>> + Send;
}

/// Sends the messages of one prediction.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    pub(super) transport: T,
    pub(super) prediction_id: Arc<str>,
    pub(super) repeats: Backoff,
    pub(super) stopping: CancellationToken,
    pub(super) backlog: Backlog,
}

/// Room for the final messages that wait for a receiver, shared by all predictions: without a
/// bound, a receiver that stays away for minutes would fill the memory.
#[derive(Debug, Clone)]
pub(super) struct Backlog(Arc<Semaphore>);

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Delivered,
    /// No answer, or one that may be another next time.
    Failed(String),
    /// An answer, or a reason not to ask, that stays.
    Refused(String),
    /// The prediction ended meanwhile.
    Abandoned,
}

impl Backlog {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / Self::UNIT)))
    }

    /// Bytes that are counted as one.
    const UNIT: usize = 1024;

    fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(Self::UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

impl<T: Transport> Mailbox<T> {
    /// Tries once, and gives up when `too_late` is over.
    pub(super) async fn try_once(
        &self,
        event: WebhookEvent,
        snapshot: Snapshot,
        too_late: impl Future<Output = ()>,
    ) {
        let started = Instant::now();
        let json = to_json(snapshot).await;
        let outcome = tokio::select! {
            answer = self.transport.post(json) => Outcome::of(answer),
            () = too_late => Outcome::Abandoned,
        };
        self.record(event, started, &outcome);
    }

    /// Tries until the message is delivered, the receiver refuses it, or the schedule ends.
    pub(super) async fn insist(&self, event: WebhookEvent, snapshot: Snapshot) {
        let started = Instant::now();
        let json = to_json(snapshot).await;
        let mut pauses = self.repeats.pauses();
        let mut room = None;
        let outcome = loop {
            let outcome = Outcome::of(self.transport.post(json.clone()).await);
            let Outcome::Failed(reason) = &outcome else {
                break outcome;
            };
            let Some(pause) = pauses.next() else {
                break outcome;
            };
            room = room.or_else(|| self.backlog.room(json.len()));
            if room.is_none() {
                let full = format!("{reason}, and too many webhooks wait to be repeated");
                break Outcome::Failed(full);
            }
            debug!(prediction = %self.prediction_id, reason, ?pause, "webhook is repeated");
            self.pause(pause).await;
        };
        self.record(event, started, &outcome);
    }

    async fn pause(&self, pause: Duration) {
        let hurried = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(HURRIED_PAUSE).await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hurried => {}
        }
    }

    fn record(&self, event: WebhookEvent, started: Instant, outcome: &Outcome) {
        let name = event.as_str();
        let label = match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Failed(_) => "failed",
            Outcome::Refused(_) => "refused",
            Outcome::Abandoned => "abandoned",
        };
        counter!(metric::WEBHOOKS, "event" => name, "outcome" => label).increment(1);
        histogram!(metric::WEBHOOK_DURATION, "event" => name).record(started.elapsed());
        let prediction = &self.prediction_id;
        match outcome {
            Outcome::Delivered => debug!(%prediction, event = name, "webhook delivered"),
            Outcome::Abandoned => debug!(%prediction, event = name, "webhook abandoned"),
            Outcome::Failed(reason) | Outcome::Refused(reason) => {
                // What went missing on the way is made good by the next message; only the last
                // one has none after it.
                if event == WebhookEvent::Completed {
                    warn!(%prediction, event = name, reason, "webhook not delivered");
                } else {
                    info!(%prediction, event = name, reason, "webhook not delivered");
                }
            }
        }
    }
}

impl Outcome {
    fn of(answer: Result<StatusCode, SendError>) -> Self {
        match answer {
            Ok(status) if status.is_success() => Self::Delivered,
            Ok(status) if may_pass(status) => Self::Failed(status.to_string()),
            Ok(status) => Self::Refused(status.to_string()),
            Err(error) if error.may_pass() => Self::Failed(error.to_string()),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// The answers after which Cog tries again.
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// A state as JSON; it may be megabytes, which must not hold up other tasks.
async fn to_json(snapshot: Snapshot) -> Bytes {
    let encoding = tokio::task::spawn_blocking(move || serde_json::to_vec(&snapshot));
    match encoding.await {
        Ok(json) => json
            .expect("texts and numbers can be written as JSON")
            .into(),
        // Only a runtime that is being torn down drops the work; nobody waits for it then.
        Err(_) => std::future::pending().await,
    }
}
