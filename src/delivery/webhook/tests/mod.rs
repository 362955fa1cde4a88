//! What a receiver is told and when, with a clock that stands still while nobody waits.

mod progress;
mod completed;

use std::collections::VecDeque;
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
use super::progress::{Follower, Subject};
use super::sender::WebhookConfig;
use crate::cog::Status;
use crate::delivery::{OutboundError, SendError};
use crate::service::Snapshot;

/// A prediction that a test moves on by hand.
struct Drawing {
    state: Mutex<Snapshot>,
    changes: watch::Sender<u64>,
}

/// How a receiver answers.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16),
    Slow(Duration),
    Never,
    Forbidden,
}

/// A receiver that keeps what it is told; after the scripted replies it answers 200.
struct Receiver {
    began: Instant,
    replies: Mutex<VecDeque<Reply>>,
    told: Mutex<Vec<(u64, Value)>>,
    busy: Mutex<bool>,
}

/// Everything that a test moves and looks at.
struct Scene {
    drawing: Arc<Drawing>,
    receiver: Arc<Receiver>,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Subject for Arc<Drawing> {
    fn snapshot(&self) -> Snapshot {
        self.state.lock().unwrap().clone()
    }

    fn is_over(&self) -> bool {
        self.state.lock().unwrap().status.is_terminal()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Transport for Arc<Receiver> {
    async fn post(&self, json: Bytes) -> Result<StatusCode, SendError> {
        let value: Value = serde_json::from_slice(&json).unwrap();
        let at = self.began.elapsed().as_millis() as u64;
        self.told.lock().unwrap().push((at, value));
        let reply = self.replies.lock().unwrap().pop_front();
        assert!(
            !std::mem::replace(&mut *self.busy.lock().unwrap(), true),
            "two messages at once"
        );
        let _idle = Idle(self);
        match reply.unwrap_or(Reply::Status(200)) {
            Reply::Status(status) => Ok(StatusCode::from_u16(status).unwrap()),
            Reply::Slow(time) => {
                sleep(time).await;
                Ok(StatusCode::OK)
            }
            Reply::Never => std::future::pending().await,
            Reply::Forbidden => Err(SendError::Refused(OutboundError::NoHost)),
        }
    }
}

/// The receiver is free again, also when the sender breaks off.
struct Idle<'a>(&'a Receiver);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap() = false;
    }
}

impl Drawing {
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
}

impl Scene {
    fn new(events: EventFilter, replies: &[Reply]) -> Self {
        Self::configured(WebhookConfig::default(), events, replies)
    }

    fn configured(config: WebhookConfig, events: EventFilter, replies: &[Reply]) -> Self {
        let drawing = Arc::new(Drawing::new());
        let receiver = Arc::new(Receiver {
            began: Instant::now(),
            replies: Mutex::new(replies.iter().copied().collect()),
            told: Mutex::default(),
            busy: Mutex::new(false),
        });
        let stopping = CancellationToken::new();
        let follower = Follower {
            subject: Arc::clone(&drawing),
            deliverer: Deliverer {
                transport: Arc::clone(&receiver),
                prediction_id: "id-1".into(),
                backoff: config.backoff,
                stopping: stopping.clone(),
                backlog: Backlog::new(config.backlog),
            },
            events,
            throttle: config.throttle,
            grace: config.grace,
        };
        let task = tokio::spawn(follower.follow());
        Self {
            drawing,
            receiver,
            stopping,
            task,
        }
    }

    /// Every message in brief: milliseconds, status, number of files, number of log lines.
    async fn told(self) -> Vec<(u64, String, usize, usize)> {
        self.task.await.unwrap();
        let told = self.receiver.told.lock().unwrap();
        told.iter().map(brief).collect()
    }

    /// When each message came, in milliseconds.
    async fn times(self) -> Vec<u64> {
        self.told().await.iter().map(|message| message.0).collect()
    }
}

fn brief((at, message): &(u64, Value)) -> (u64, String, usize, usize) {
    let status = message["status"].as_str().unwrap().to_owned();
    let files = message["output"].as_array().map_or(0, Vec::len);
    let lines = message["logs"].as_str().unwrap().lines().count();
    (*at, status, files, lines)
}

fn message(at: u64, status: &str, files: usize, lines: usize) -> (u64, String, usize, usize) {
    (at, status.to_owned(), files, lines)
}

async fn pass(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

/// A prediction that does nothing but end.
fn ended(events: EventFilter, replies: &[Reply]) -> Scene {
    let scene = Scene::new(events, replies);
    scene.drawing.start();
    scene.drawing.end(Status::Succeeded);
    scene
}

fn only_completed() -> EventFilter {
    EventFilter::only(&[WebhookEvent::Completed])
}
