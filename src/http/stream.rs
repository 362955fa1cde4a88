//! Server-sent events: a replay of past events, followed by live ones.
//!
//! A subscriber holds the number of its next event, not the event itself. Each chunk is built when
//! the connection polls for it, so a slow client costs no memory. A client that falls too far behind
//! gets an error event.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use metrics::gauge;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::completed_event::CompletedEvent;
use super::error::HttpError;
use super::follower::{Follower, Found, HEADERS, KEEP_ALIVE_COMMENT};
use super::state::{AppState, CompletedOutput};
use crate::service::{Event, Prediction};
use crate::telemetry::metric;

const TRUNCATED: &str = "SSE stream replay truncated; events were dropped";

const LAGGED: &str = "SSE stream lagged; events were dropped";

/// The permit for one open event stream; dropping it returns the permit.
#[derive(Debug)]
pub(super) struct StreamPermit(
    #[expect(dead_code, reason = "the permit is returned when it is dropped")] OwnedSemaphorePermit,
);

impl StreamPermit {
    /// Takes a permit without waiting.
    ///
    /// # Errors
    /// If too many streams are open.
    pub(super) fn take(state: &AppState) -> Result<Self, HttpError> {
        let permit = Arc::clone(&state.streams)
            .try_acquire_owned()
            .map_err(|_| HttpError::TooManySubscribers)?;
        gauge!(metric::STREAM_SUBSCRIBERS).increment(1.0);
        Ok(Self(permit))
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        gauge!(metric::STREAM_SUBSCRIBERS).decrement(1.0);
    }
}

/// Answers with the events of a prediction; `after` is the last one that the client has.
///
/// A client that has seen the last event gets 204, because browsers would reconnect forever.
pub(super) fn events(
    state: &AppState,
    prediction: Arc<Prediction>,
    after: Option<u64>,
    permit: StreamPermit,
) -> Response {
    let phase = match prediction.first_event(after) {
        Ok(number) if has_ended_before(&prediction, number) => {
            return StatusCode::NO_CONTENT.into_response();
        }
        Ok(number) => Phase::At(number),
        Err(truncated) => Phase::Failed(TRUNCATED, truncated.skipped),
    };
    follow(state, prediction, phase, permit)
}

/// Answers with all events of a prediction that this request has just started. The history may
/// already be truncated for other subscribers, because the worker can be ahead of this call.
pub(super) fn events_from_start(
    state: &AppState,
    prediction: Arc<Prediction>,
    permit: StreamPermit,
) -> Response {
    follow(state, prediction, Phase::At(1), permit)
}

fn follow(
    state: &AppState,
    prediction: Arc<Prediction>,
    phase: Phase,
    permit: StreamPermit,
) -> Response {
    let event_stream = EventStream {
        follower: Follower::new(prediction, state.config.waits.silence),
        phase,
        first_sent: None,
        completed_output: state.config.completed_output,
        _permit: permit,
    };
    let chunks = stream::unfold(event_stream, EventStream::next);
    (HEADERS, Body::from_stream(chunks)).into_response()
}

fn has_ended_before(prediction: &Prediction, number: u64) -> bool {
    // The status is read first: once it is final, no event is added.
    prediction.status().is_terminal() && matches!(prediction.event(number), Ok(None))
}

/// The position of a subscriber.
#[derive(Debug)]
enum Phase {
    /// It waits for the event of that number.
    At(u64),
    /// It gets the rest of its last event.
    Completing(Box<CompletedEvent>),
    /// It must get an error event, because it has missed events.
    Failed(&'static str, u64),
    /// It has received its last event.
    Ended,
}

struct EventStream {
    follower: Follower,
    phase: Phase,
    /// The index of the first file that this stream has sent. It sends all files from there on.
    first_sent: Option<usize>,
    completed_output: CompletedOutput,
    _permit: StreamPermit,
}

impl EventStream {
    /// The next chunk of the response, and the stream after it.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let chunk = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::At(number) => self.wait_for(number).await?,
            Phase::Completing(event) => self.complete(event),
            Phase::Failed(message, skipped) => error_event(message, skipped),
            Phase::Ended => return None,
        };
        Some((Ok(chunk), self))
    }

    /// The next event; `None` if this process leaves the prediction to the next one. The client reconnects then.
    async fn wait_for(&mut self, number: u64) -> Option<Bytes> {
        Some(match self.follower.wait_for(number).await {
            Found::Event(event) => self.write(number, &event),
            Found::Truncated(truncated) => error_event(LAGGED, truncated.skipped),
            Found::Silence => {
                self.phase = Phase::At(number);
                KEEP_ALIVE_COMMENT
            }
            Found::Suspended => return None,
        })
    }

    fn write(&mut self, number: u64, event: &Event) -> Bytes {
        self.phase = Phase::At(number + 1);
        let (name, data) = match event {
            Event::Start { .. } => {
                let data = json!({"id": self.follower.prediction().id(), "status": "processing"});
                ("start", data)
            }
            Event::Log { data } => ("log", json!({"data": &**data, "source": "stdout"})),
            Event::Metric { name, value } => (
                "metric",
                json!({"mode": "replace", "name": name, "value": value}),
            ),
            Event::Output { index, file } => {
                self.first_sent.get_or_insert(*index);
                ("output", json!({"chunk": &**file, "index": index}))
            }
            Event::Completed(_) => {
                let state = self.follower.prediction().snapshot();
                let unsent = match (self.completed_output, self.first_sent) {
                    (CompletedOutput::Unsent, Some(first)) => first,
                    (CompletedOutput::All, _) | (_, None) => state.output.len(),
                };
                return self.complete(CompletedEvent::new(number, state, unsent));
            }
        };
        numbered_event(number, name, &data)
    }

    fn complete(&mut self, event: Box<CompletedEvent>) -> Bytes {
        let (chunk, rest) = event.next();
        self.phase = rest.map_or(Phase::Ended, Phase::Completing);
        chunk
    }
}

fn numbered_event(number: u64, name: &str, data: &Value) -> Bytes {
    format!("id: {number}\nevent: {name}\ndata: {data}\n\n").into()
}

/// An event that reports missed events. It has no number, so that a client that reconnects asks for
/// the events that it has not seen.
fn error_event(message: &str, skipped: u64) -> Bytes {
    let data: Value = json!({"error": message, "skipped": skipped});
    format!("event: error\ndata: {data}\n\n").into()
}
