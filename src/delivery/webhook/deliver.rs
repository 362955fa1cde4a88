//! The delivery of one message: its attempts, the pauses between them, and the result.

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

/// The longest pause between two attempts while the server is shutting down.
const SHUTDOWN_PAUSE: Duration = Duration::from_secs(1);

/// Sends one message once.
pub(super) trait Transport: Send + Sync {
    /// The status of the response.
    fn post(&self, json: Bytes) -> impl Future<Output = Result<StatusCode, SendError>> + Send;
}

/// Sends the messages of one prediction.
#[derive(Debug)]
pub(super) struct Deliverer<T> {
    pub(super) transport: T,
    pub(super) prediction_id: Arc<str>,
    pub(super) backoff: Backoff,
    /// Cancelled when the server is shutting down.
    pub(super) stopping: CancellationToken,
    pub(super) backlog: Backlog,
}

/// Memory for the `completed` messages that wait for their next attempt, shared by all predictions:
/// without a bound, receivers that are unreachable for minutes would fill it.
#[derive(Debug, Clone)]
pub(super) struct Backlog(Arc<Semaphore>);

/// The result of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum DeliveryResult {
    Delivered,
    /// No response, or one after which another attempt may succeed.
    Failed(String),
    /// A response or an error after which no attempt can succeed.
    Refused(String),
    /// The prediction ended during the attempt.
    Abandoned,
}

impl Backlog {
    /// A backlog of at most `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / Self::UNIT)))
    }

    /// Bytes for each permit of the semaphore.
    const UNIT: usize = 1024;

    fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(Self::UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

impl<T: Transport> Deliverer<T> {
    /// Tries once, and gives up when `deadline` completes.
    pub(super) async fn try_once(
        &self,
        event: WebhookEvent,
        snapshot: Snapshot,
        deadline: impl Future<Output = ()>,
    ) {
        let started = Instant::now();
        let json = to_json(snapshot).await;
        let result = tokio::select! {
            answer = self.transport.post(json) => DeliveryResult::of(answer),
            () = deadline => DeliveryResult::Abandoned,
        };
        self.record(event, started, &result);
    }

    /// Tries until the message is delivered, the receiver refuses it, or the back-off ends.
    pub(super) async fn retry(&self, event: WebhookEvent, snapshot: Snapshot) {
        let started = Instant::now();
        let json = to_json(snapshot).await;
        let mut pauses = self.backoff.pauses();
        let mut reserved = None;
        let result = loop {
            let result = DeliveryResult::of(self.transport.post(json.clone()).await);
            let DeliveryResult::Failed(reason) = &result else {
                break result;
            };
            let Some(pause) = pauses.next() else {
                break result;
            };
            reserved = reserved.or_else(|| self.backlog.reserve(json.len()));
            if reserved.is_none() {
                let full = format!("{reason}, and too many webhooks are waiting to be retried");
                break DeliveryResult::Failed(full);
            }
            debug!(prediction = %self.prediction_id, reason, ?pause, "webhook failed, retrying");
            self.pause(pause).await;
        };
        self.record(event, started, &result);
    }

    async fn pause(&self, pause: Duration) {
        let shortened = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(SHUTDOWN_PAUSE).await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shortened => {}
        }
    }

    fn record(&self, event: WebhookEvent, started: Instant, result: &DeliveryResult) {
        let name = event.as_str();
        let label = match result {
            DeliveryResult::Delivered => "delivered",
            DeliveryResult::Failed(_) => "failed",
            DeliveryResult::Refused(_) => "refused",
            DeliveryResult::Abandoned => "abandoned",
        };
        counter!(metric::WEBHOOKS, "event" => name, "outcome" => label).increment(1);
        histogram!(metric::WEBHOOK_DURATION, "event" => name).record(started.elapsed());
        let prediction = &self.prediction_id;
        match result {
            DeliveryResult::Delivered => debug!(%prediction, event = name, "webhook delivered"),
            DeliveryResult::Abandoned => debug!(%prediction, event = name, "webhook abandoned"),
            DeliveryResult::Failed(reason) | DeliveryResult::Refused(reason) => {
                // The next message repeats what was lost with this one. Only the last message has no next
                // one.
                if event == WebhookEvent::Completed {
                    warn!(%prediction, event = name, reason, "webhook not delivered");
                } else {
                    info!(%prediction, event = name, reason, "webhook not delivered");
                }
            }
        }
    }
}

impl DeliveryResult {
    fn of(answer: Result<StatusCode, SendError>) -> Self {
        match answer {
            Ok(status) if status.is_success() => Self::Delivered,
            Ok(status) if is_temporary(status) => Self::Failed(status.to_string()),
            Ok(status) => Self::Refused(status.to_string()),
            Err(error) if error.is_temporary() => Self::Failed(error.to_string()),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// The status codes after which Cog tries again.
fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// A state as JSON. Serializing it may take long, which must not block other tasks.
async fn to_json(snapshot: Snapshot) -> Bytes {
    let encoding = tokio::task::spawn_blocking(move || serde_json::to_vec(&snapshot));
    match encoding.await {
        Ok(json) => json
            .expect("texts and numbers can be written as JSON")
            .into(),
        // Only a runtime that is shutting down drops this work, and then it also drops this task.
        Err(_) => std::future::pending().await,
    }
}
