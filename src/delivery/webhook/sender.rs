//! Receivers of webhooks, and the tasks that serve them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use url::Url;

use super::event::EventFilter;
use super::mailbox::{Backlog, Mailbox, Transport};
use super::progress::Follower;
use crate::backoff::Backoff;
use crate::delivery::{AddressError, Client, Policy, SendError};
use crate::service::Prediction;

/// The field of a request that names the receiver.
const FIELD: &str = "webhook";

/// Headers of the request that are passed on, so that the receiver's spans join the caller's
/// trace (W3C Trace Context).
const TRACE_HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Who is told about a prediction, and what.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    events: EventFilter,
    headers: HeaderMap,
}

/// How often a receiver is told. The default is what Cog does.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The least time between two messages before the last one.
    pub throttle: Duration,
    /// The pauses between the attempts to deliver `completed`.
    pub repeats: Backoff,
    /// How long an earlier message may hold up `completed`.
    pub overtime: Duration,
    /// Bytes of all `completed` messages that wait for their next attempt; one that finds no
    /// room is given up.
    pub backlog: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            throttle: Duration::from_millis(500),
            repeats: Backoff {
                first: Duration::from_millis(200),
                longest: Duration::from_millis(102_400),
                repeats: 12,
            },
            overtime: Duration::from_secs(2),
            backlog: 256 << 20,
        }
    }
}

/// Starts the tasks that tell receivers, and knows when they are done.
#[derive(Debug)]
pub struct Sender {
    client: Arc<Client>,
    pace: Pace,
    tasks: TaskTracker,
    stopping: CancellationToken,
    backlog: Backlog,
}

impl Webhook {
    /// The receiver that the field `webhook` of a request names, with the trace that the request
    /// belongs to.
    ///
    /// # Errors
    /// When the text is not an address, or the policy refuses it.
    pub fn parse(
        policy: &Policy,
        text: &str,
        events: EventFilter,
        request_headers: &HeaderMap,
    ) -> Result<Self, AddressError> {
        let url = policy.parse(FIELD, text)?;
        let mut headers = HeaderMap::new();
        for name in TRACE_HEADERS {
            for value in request_headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Self {
            url,
            events,
            headers,
        })
    }
}

impl fmt::Debug for Webhook {
    /// Shows the host only: the rest of the address may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Webhook")
            .field("host", &self.url.host_str())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// A receiver, and the client that reaches it.
struct Receiver {
    client: Arc<Client>,
    url: Url,
    headers: HeaderMap,
}

impl Transport for Receiver {
    async fn post(&self, json: Bytes) -> Result<StatusCode, SendError> {
        self.client.post_json(&self.url, &self.headers, json).await
    }
}

impl Sender {
    /// Nothing is sent before [`Sender::spawn`].
    pub fn new(client: Arc<Client>, pace: Pace) -> Self {
        Self {
            client,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            backlog: Backlog::new(pace.backlog),
            pace,
        }
    }

    /// Starts to tell a receiver about a prediction. Has to be called within a tokio runtime.
    pub fn spawn(&self, prediction: Arc<Prediction>, webhook: Webhook) {
        let follower = Follower {
            mailbox: Mailbox {
                prediction_id: prediction.id().into(),
                transport: Receiver {
                    client: Arc::clone(&self.client),
                    url: webhook.url,
                    headers: webhook.headers,
                },
                repeats: self.pace.repeats,
                stopping: self.stopping.clone(),
                backlog: self.backlog.clone(),
            },
            subject: prediction,
            events: webhook.events,
            throttle: self.pace.throttle,
            overtime: self.pace.overtime,
        };
        self.tasks.spawn(follower.follow().in_current_span());
    }

    /// How many receivers are being told at this moment.
    pub fn pending(&self) -> usize {
        self.tasks.len()
    }

    /// Cuts the pauses between attempts to a second: the server wants to stop, and a late attempt
    /// would be none at all.
    pub fn hurry(&self) {
        self.stopping.cancel();
    }

    /// Waits until every receiver has been told the end, or given up. Who wants to stop bounds
    /// this wait: a receiver that never answers takes half a minute for each attempt.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completed_is_tried_thirteen_times_in_seven_minutes() {
        let pauses: Vec<_> = Pace::default()
            .repeats
            .pauses()
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 102_400, 102_400, 102_400
            ]
        );
    }

    #[test]
    fn a_receiver_that_is_no_address_is_refused_by_the_name_of_its_field() {
        let policy = Policy::default();
        for text in ["", "not a url", "/hook", "ftp://a.example/"] {
            let parsed = Webhook::parse(&policy, text, EventFilter::default(), &HeaderMap::new());
            assert_eq!(parsed.unwrap_err().field(), "webhook", "{text}");
        }
    }

    #[test]
    fn only_the_trace_is_passed_on() {
        let mut headers = HeaderMap::new();
        for name in [
            "traceparent",
            "tracestate",
            "cookie",
            "authorization",
            "baggage",
        ] {
            headers.insert(name, "x".parse().unwrap());
        }
        headers.append("tracestate", "y".parse().unwrap());
        let policy = Policy::default();
        let filter = EventFilter::default();
        let webhook = Webhook::parse(&policy, "http://a.example/", filter, &headers).unwrap();
        let passed: Vec<_> = webhook.headers.iter().collect();
        assert_eq!(
            passed
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["traceparent", "tracestate", "tracestate"]
        );
    }

    #[test]
    fn the_debug_output_shows_no_path_and_no_query() {
        let policy = Policy::default();
        let webhook = Webhook::parse(
            &policy,
            "http://me:hush@a.example/hush?key=hush",
            EventFilter::default(),
            &HeaderMap::new(),
        );
        let shown = format!("{:?}", webhook.unwrap());
        assert!(
            shown.contains("a.example") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
