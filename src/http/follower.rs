//! Follows the events of a prediction for an event stream.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::service::{Event, Prediction, Subscriber, Truncated};

/// What is sent after a silence.
pub(super) const KEEP_ALIVE_COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The headers of an event stream. Caches and proxies must not hold events back.
pub(super) const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// A subscriber of a prediction's events.
#[derive(Debug)]
pub(super) struct Follower {
    prediction: Arc<Prediction>,
    changes: watch::Receiver<u64>,
    /// The maximum silence on the stream.
    silence: Duration,
    _subscriber: Subscriber,
}

/// What a subscriber finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The event.
    Event(Event),
    /// Nothing for some time; the client should hear that the connection is alive.
    Silence,
    /// The event is no longer kept.
    Truncated(Truncated),
    /// This process leaves the prediction to the next one. The client reconnects then.
    Suspended,
}

impl Follower {
    /// A new subscriber, which hears something after each `silence` at the latest.
    pub(super) fn new(prediction: Arc<Prediction>, silence: Duration) -> Self {
        Self {
            changes: prediction.changes(),
            silence,
            _subscriber: prediction.subscriber(),
            prediction,
        }
    }

    /// The prediction.
    pub(super) fn prediction(&self) -> &Arc<Prediction> {
        &self.prediction
    }

    /// Waits for the event of that number.
    pub(super) async fn wait_for(&mut self, number: u64) -> Found {
        loop {
            // A change from here on ends the wait below.
            self.changes.borrow_and_update();
            match self.prediction.event(number) {
                Ok(Some(event)) => return Found::Event(event),
                Ok(None) if self.prediction.is_suspended() => return Found::Suspended,
                Ok(None) => {}
                Err(truncated) => return Found::Truncated(truncated),
            }
            let changed = self.changes.changed();
            if timeout(self.silence, changed).await.is_err() {
                return Found::Silence;
            }
        }
    }
}
