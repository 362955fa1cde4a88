//! The delivery of one message: its attempts, the pauses between them, and the result.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, histogram};
use parking_lot::Mutex;
use reqwest::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::event::{WebhookEvent, message_name};
use super::notes::DeliveryNotes;
use super::output::WebhookOutput;
use crate::backoff::Backoff;
use crate::delivery::SendError;
use crate::replicate::{Message, Site};
use crate::service::Snapshot;
use crate::telemetry::metric;

/// The longest pause between two attempts while the server is shutting down.
const SHUTDOWN_PAUSE: Duration = Duration::from_secs(1);

/// Every receiver accepts messages of this size in bytes. If a connection is lost while a larger one is sent, it
/// may be too large: some servers close the connection without reading it, and their answer is lost.
const SMALL_BYTES: usize = 64 << 10;

/// The number of consecutive lost connections after which a large message counts as too large.
const MAX_LOST: u32 = 2;

/// Sends one message once.
pub(super) trait Transport: Send + Sync {
    /// The status of the response. The name of a message is the same whenever the message is repeated.
    fn post(
        &self,
        name: &str,
        json: Bytes,
    ) -> impl Future<Output = Result<StatusCode, SendError>> + Send;
}

/// Sends the messages of one prediction.
#[derive(Debug)]
pub(super) struct Deliverer<T> {
    pub(super) transport: T,
    pub(super) prediction_id: Arc<str>,
    /// How the server is reached, for messages in Replicate's form instead of Cog's.
    pub(super) site: Option<Site>,
    pub(super) backoff: Backoff,
    /// Cancelled when the server is shutting down.
    pub(super) stopping: CancellationToken,
    pub(super) backlog: Backlog,
    /// How much of the output the receiver gets. It becomes less when a message is too large for it.
    pub(super) output: Mutex<WebhookOutput>,
    /// The number of consecutive times that the connection was lost while a large message was sent.
    pub(super) lost: AtomicU32,
    pub(super) notes: DeliveryNotes,
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
        mut snapshot: Snapshot,
        deadline: impl Future<Output = ()>,
    ) {
        let started = Instant::now();
        let result = tokio::select! {
            (result, _) = self.attempt(event, &mut snapshot) => result,
            () = deadline => DeliveryResult::Abandoned,
        };
        self.record(event, started, &result);
    }

    /// Tries until the message is delivered, the receiver refuses it, or the back-off ends.
    /// Returns whether nothing is left to be done for the message: it was delivered, or given up for good, and not because
    /// the server is shutting down.
    pub(super) async fn retry(&self, event: WebhookEvent, mut snapshot: Snapshot) -> bool {
        let started = Instant::now();
        let mut pauses = self.backoff.pauses();
        let mut reserved = None;
        let result = loop {
            let (result, bytes) = self.attempt(event, &mut snapshot).await;
            let DeliveryResult::Failed(reason) = &result else {
                break result;
            };
            let Some(pause) = pauses.next() else {
                break result;
            };
            reserved = reserved.or_else(|| self.backlog.reserve(bytes));
            if reserved.is_none() {
                let full = format!("{reason}, and too many webhooks are waiting to be retried");
                break DeliveryResult::Failed(full);
            }
            debug!(prediction = %self.prediction_id, reason, ?pause, "webhook failed, retrying");
            self.pause(pause).await;
        };
        self.record(event, started, &result);
        !matches!(result, DeliveryResult::Failed(_)) || !self.stopping.is_cancelled()
    }

    /// Sends a message. While it is too large for the receiver, sends it again with less output. Returns
    /// the result and the size of the last message in bytes.
    async fn attempt(
        &self,
        event: WebhookEvent,
        snapshot: &mut Snapshot,
    ) -> (DeliveryResult, usize) {
        let name = message_name(event, snapshot);
        loop {
            let output = *self.output.lock();
            let json = to_json(output.of(snapshot.clone()), self.site.clone()).await;
            let bytes = json.len();
            let answer = self.transport.post(&name, json).await;
            let Some(reason) = self.too_large(&answer, bytes) else {
                return (DeliveryResult::of(answer), bytes);
            };
            let Some(smaller) = output.smaller(self.file_count(snapshot)) else {
                return (DeliveryResult::of(answer), bytes);
            };
            *self.output.lock() = smaller;
            self.explain(bytes, reason, snapshot);
        }
    }

    /// The number of files in a message with the whole output.
    fn file_count(&self, snapshot: &Snapshot) -> usize {
        match &self.site {
            Some(site) => Message::new(snapshot, site).file_count(),
            None => snapshot.output.len(),
        }
    }

    /// Why a message of that size is too large for the receiver, if it is.
    fn too_large(
        &self,
        answer: &Result<StatusCode, SendError>,
        bytes: usize,
    ) -> Option<&'static str> {
        match answer {
            Err(error) if error.is_lost_connection() && bytes > SMALL_BYTES => {
                let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
                (lost >= MAX_LOST).then_some("it closed the connection")
            }
            answer => {
                self.lost.store(0, Ordering::Relaxed);
                matches!(answer, Ok(StatusCode::PAYLOAD_TOO_LARGE))
                    .then_some("413 Payload Too Large")
            }
        }
    }

    /// Says in the log of the prediction, and in this message, that the receiver gets less output.
    fn explain(&self, bytes: usize, reason: &str, snapshot: &mut Snapshot) {
        let line = format!(
            "webhook: a message of {bytes} bytes is too large for the receiver ({reason}); it gets {}",
            self.output.lock().description()
        );
        info!(prediction = %self.prediction_id, "{line}");
        snapshot.logs = format!("{}{line}\n", snapshot.logs).into();
        self.notes.add(&line);
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
async fn to_json(snapshot: Snapshot, site: Option<Site>) -> Bytes {
    let encoding = tokio::task::spawn_blocking(move || match site {
        Some(site) => serde_json::to_vec(&Message::new(&snapshot, &site)),
        None => serde_json::to_vec(&snapshot),
    });
    match encoding.await {
        Ok(json) => json
            .expect("texts and numbers can be written as JSON")
            .into(),
        // Only a runtime that is shutting down drops this work, and then it also drops this task.
        Err(_) => std::future::pending().await,
    }
}
