//! Which messages a receiver gets and when, with tokio's paused clock.

mod progress;
mod completed;
mod too_large;

use std::collections::VecDeque;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::deliver::{Backlog, Deliverer, Transport};
use super::event::{EventFilter, WebhookEvent};
use super::notes::DeliveryNotes;
use super::output::WebhookOutput;
use super::progress::{ReportedPrediction, Sent, WebhookTask};
use super::sender::WebhookConfig;
use crate::cog::Status;
use crate::delivery::{PolicyError, SendError};
use crate::replicate::Site;
use crate::service::Snapshot;

/// A prediction that the test changes step by step.
struct FakePrediction {
    state: Mutex<Snapshot>,
    changes: watch::Sender<u64>,
}

/// How a receiver responds.
#[derive(Clone, Copy)]
enum ScriptedReply {
    Status(u16),
    Slow(Duration),
    Never,
    Forbidden,
}

/// A receiver that keeps the messages it gets; after the scripted replies it responds with 200.
struct FakeReceiver {
    began: Instant,
    replies: Mutex<VecDeque<ScriptedReply>>,
    messages: Mutex<Vec<(u64, Value)>>,
    /// Larger messages are answered with 413.
    max_bytes: Mutex<usize>,
    busy: Mutex<bool>,
}

/// A prediction, its receiver and the task between them.
struct Scenario {
    prediction: Arc<FakePrediction>,
    receiver: Arc<FakeReceiver>,
    /// What was added to the prediction's log.
    notes: Arc<Mutex<Vec<String>>>,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl ReportedPrediction for Arc<FakePrediction> {
    fn snapshot(&self) -> Snapshot {
        self.state.lock().unwrap().clone()
    }

    fn is_over(&self) -> bool {
        self.state.lock().unwrap().status.is_terminal()
    }

    fn is_suspended(&self) -> bool {
        false
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Transport for Arc<FakeReceiver> {
    async fn post(&self, _name: &str, json: Bytes) -> Result<StatusCode, SendError> {
        let value: Value = serde_json::from_slice(&json).unwrap();
        let at = self.began.elapsed().as_millis() as u64;
        self.messages.lock().unwrap().push((at, value));
        let reply = self.replies.lock().unwrap().pop_front();
        assert!(
            !std::mem::replace(&mut *self.busy.lock().unwrap(), true),
            "two messages at once"
        );
        let _idle = Idle(self);
        if json.len() > *self.max_bytes.lock().unwrap() {
            return Ok(StatusCode::PAYLOAD_TOO_LARGE);
        }
        match reply.unwrap_or(ScriptedReply::Status(200)) {
            ScriptedReply::Status(status) => Ok(StatusCode::from_u16(status).unwrap()),
            ScriptedReply::Slow(time) => {
                sleep(time).await;
                Ok(StatusCode::OK)
            }
            ScriptedReply::Never => std::future::pending().await,
            ScriptedReply::Forbidden => Err(SendError::Refused(PolicyError::NoHost)),
        }
    }
}

/// Marks the receiver as free again, also if the sender gives up.
struct Idle<'a>(&'a FakeReceiver);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap() = false;
    }
}

impl FakePrediction {
    fn new() -> Self {
        Self {
            state: Mutex::new(Snapshot {
                id: "id-1".into(),
                status: Status::Starting,
                input: Arc::default(),
                output: Vec::new(),
                logs: "".into(),
                error: None,
                metrics: Map::new(),
                created_at: Timestamp::UNIX_EPOCH,
                started_at: None,
                completed_at: None,
                omitted: 0,
                origin: Arc::default(),
            }),
            changes: watch::Sender::new(0),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.state.lock().unwrap());
        self.changes.send_modify(|number| *number += 1);
    }

    fn start(&self) {
        self.change(|state| {
            state.status = Status::Processing;
            state.started_at = Some(Timestamp::UNIX_EPOCH);
        });
    }

    fn output(&self) {
        self.change(|state| state.output.push("data:,".into()));
    }

    fn log(&self) {
        self.change(|state| state.logs = format!("{}line\n", state.logs).into());
    }

    fn end(&self, status: Status) {
        self.change(|state| state.status = status);
    }

    /// A whole prediction with two files.
    fn succeed(&self) {
        self.start();
        self.output();
        self.output();
        self.end(Status::Succeeded);
    }
}

impl Scenario {
    fn new(events: EventFilter, replies: &[ScriptedReply]) -> Self {
        Self::configured(WebhookConfig::default(), events, replies)
    }

    fn configured(config: WebhookConfig, events: EventFilter, replies: &[ScriptedReply]) -> Self {
        Self::resumed(config, events, replies, Sent::default())
    }

    fn resumed(
        config: WebhookConfig,
        events: EventFilter,
        replies: &[ScriptedReply],
        sent: Sent,
    ) -> Self {
        Self::sending(config, events, replies, sent, None)
    }

    /// With a site, the messages have Replicate's form.
    fn sending(
        config: WebhookConfig,
        events: EventFilter,
        replies: &[ScriptedReply],
        sent: Sent,
        site: Option<Site>,
    ) -> Self {
        let prediction = Arc::new(FakePrediction::new());
        let receiver = Arc::new(FakeReceiver {
            began: Instant::now(),
            replies: Mutex::new(replies.iter().copied().collect()),
            messages: Mutex::default(),
            max_bytes: Mutex::new(usize::MAX),
            busy: Mutex::new(false),
        });
        let stopping = CancellationToken::new();
        let notes: Arc<Mutex<Vec<String>>> = Arc::default();
        let task = WebhookTask {
            prediction: Arc::clone(&prediction),
            deliverer: Deliverer {
                transport: Arc::clone(&receiver),
                prediction_id: "id-1".into(),
                site,
                backoff: config.backoff,
                stopping: stopping.clone(),
                backlog: Backlog::new(config.backlog),
                output: config.output.into(),
                lost: AtomicU32::new(0),
                notes: DeliveryNotes::new({
                    let notes = Arc::clone(&notes);
                    move |line| notes.lock().unwrap().push(line.to_owned())
                }),
            },
            events,
            throttle: config.throttle,
            grace: config.grace,
            sent,
        };
        let task = tokio::spawn(async move {
            task.run().await;
        });
        Self {
            prediction,
            receiver,
            notes,
            stopping,
            task,
        }
    }

    /// A summary of every message: milliseconds, status, number of files, number of log lines.
    async fn messages(self) -> Vec<(u64, String, usize, usize)> {
        self.task.await.unwrap();
        let messages = self.receiver.messages.lock().unwrap();
        messages.iter().map(summary).collect()
    }

    /// The arrival time of each message in milliseconds.
    async fn times(self) -> Vec<u64> {
        self.messages()
            .await
            .iter()
            .map(|message| message.0)
            .collect()
    }
}

fn summary((at, message): &(u64, Value)) -> (u64, String, usize, usize) {
    let status = message["status"].as_str().unwrap().to_owned();
    let files = message["output"].as_array().map_or(0, Vec::len);
    let lines = message["logs"].as_str().unwrap().lines().count();
    (*at, status, files, lines)
}

fn message(at: u64, status: &str, files: usize, lines: usize) -> (u64, String, usize, usize) {
    (at, status.to_owned(), files, lines)
}

async fn advance(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

/// A prediction that starts and ends at once.
fn ended(events: EventFilter, replies: &[ScriptedReply]) -> Scenario {
    let scenario = Scenario::new(events, replies);
    scenario.prediction.start();
    scenario.prediction.end(Status::Succeeded);
    scenario
}

fn only_completed() -> EventFilter {
    EventFilter::only(&[WebhookEvent::Completed])
}
