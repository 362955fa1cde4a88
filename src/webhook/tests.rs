//! What a receiver is told and when, with a clock that stands still while nobody waits.

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

use super::event::{EventFilter, WebhookEvent};
use super::mailbox::{Backlog, Mailbox, Transport};
use super::progress::{Follower, Subject};
use super::sender::Pace;
use crate::outbound::{OutboundError, SendError};
use crate::service::{Snapshot, Status};

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
        Self::at_pace(Pace::default(), events, replies)
    }

    fn at_pace(pace: Pace, events: EventFilter, replies: &[Reply]) -> Self {
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
            mailbox: Mailbox {
                transport: Arc::clone(&receiver),
                prediction_id: "id-1".into(),
                repeats: pace.repeats,
                stopping: stopping.clone(),
                backlog: Backlog::new(pace.backlog),
            },
            events,
            throttle: pace.throttle,
            overtime: pace.overtime,
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

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_the_newest_state_once_in_each_interval_and_the_end_at_once() {
    let scene = Scene::new(EventFilter::default(), &[]);
    let drawing = &scene.drawing;
    drawing.start();
    pass(100).await;
    drawing.log();
    pass(50).await;
    drawing.output();
    pass(50).await;
    drawing.output();
    pass(500).await; // 700
    drawing.log();
    pass(800).await; // 1500
    drawing.output();
    pass(1).await;
    drawing.log();
    pass(9).await; // 1510
    drawing.end(Status::Succeeded);
    let expected = [
        message(0, "processing", 0, 0),
        message(500, "processing", 2, 1),
        message(1000, "processing", 2, 2),
        message(1500, "processing", 3, 2),
        message(1510, "succeeded", 3, 3),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_are_told_twice_a_second() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    for _ in 0..10_000 {
        scene.drawing.log();
        pass(1).await;
    }
    pass(100).await;
    scene.drawing.end(Status::Succeeded);
    let told = scene.times().await;
    assert_eq!(told.len(), 22);
    let (last, others) = told.split_last().unwrap();
    assert!(others.windows(2).all(|pair| pair[1] - pair[0] >= 500));
    assert_eq!(*last, 10_100);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_makes_nobody_keep_more_than_one_state() {
    let scene = Scene::new(EventFilter::default(), &[Reply::Never]);
    scene.drawing.start();
    scene.drawing.output();
    let file = Arc::clone(&scene.drawing.snapshot().output[0]);
    for _ in 0..10_000 {
        scene.drawing.output();
        tokio::task::yield_now().await;
        // The prediction's, this one, and that of a message which is being written.
        assert!(Arc::strong_count(&file) <= 3);
    }
    scene.drawing.end(Status::Succeeded);
    let told = scene.told().await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1], message(2000, "succeeded", 10_001, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_misses_states_but_never_the_newest() {
    let slow = Reply::Slow(Duration::from_millis(1200));
    let scene = Scene::new(EventFilter::default(), &[slow, slow]);
    scene.drawing.start();
    for _ in 0..10 {
        pass(100).await;
        scene.drawing.output();
    }
    pass(9_000).await;
    scene.drawing.end(Status::Canceled);
    let expected = [
        message(0, "processing", 0, 0),
        message(1200, "processing", 10, 0),
        message(10_000, "canceled", 10, 0),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_holds_up_the_last_one_for_two_seconds() {
    let scene = Scene::new(EventFilter::default(), &[Reply::Never]);
    scene.drawing.start();
    pass(700).await;
    scene.drawing.end(Status::Failed);
    let expected = [
        message(0, "processing", 0, 0),
        message(2700, "failed", 0, 0),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_last_message_waits_for_a_slow_one_before_it() {
    let slow = Reply::Slow(Duration::from_secs(1));
    let scene = Scene::new(EventFilter::default(), &[slow]);
    scene.drawing.start();
    pass(100).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_asked_for_is_not_told() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    pass(1000).await;
    scene
        .drawing
        .change(|state| state.metrics = Map::from_iter([("step".to_owned(), 1.into())]));
    pass(1000).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_only_what_it_wants_to_hear() {
    use WebhookEvent::{Completed, Logs, Output, Start};
    let cases: [(&[WebhookEvent], &[u64]); 9] = [
        (&[], &[]),
        (&[Start], &[0]),
        (&[Output], &[2000]),
        (&[Logs], &[1000, 3000]),
        (&[Completed], &[4000]),
        (&[Start, Completed], &[0, 4000]),
        (&[Output, Logs], &[1000, 2000, 3000]),
        (&[Logs, Completed], &[1000, 3000, 4000]),
        (
            &[Start, Output, Logs, Completed],
            &[0, 1000, 2000, 3000, 4000],
        ),
    ];
    for (events, expected) in cases {
        let scene = Scene::new(EventFilter::only(events), &[]);
        scene.drawing.start();
        pass(1000).await;
        scene.drawing.log();
        pass(1000).await;
        scene.drawing.output();
        pass(1000).await;
        scene.drawing.log();
        pass(1000).await;
        scene.drawing.end(Status::Succeeded);
        assert_eq!(scene.times().await, expected, "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prediction_that_never_started_is_told_as_completed_only() {
    let scene = Scene::new(EventFilter::default(), &[]);
    pass(100).await;
    scene.drawing.log();
    pass(100).await;
    scene.drawing.end(Status::Canceled);
    assert_eq!(scene.told().await, [message(200, "canceled", 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_prediction_that_is_over_at_once_is_told_as_started_and_completed() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    scene.drawing.log();
    scene.drawing.output();
    scene
        .drawing
        .change(|state| state.error = Some("broke".into()));
    scene.drawing.end(Status::Failed);
    let receiver = Arc::clone(&scene.receiver);
    let expected = [message(0, "processing", 0, 0), message(0, "failed", 1, 1)];
    assert_eq!(scene.told().await, expected);
    let told = receiver.told.lock().unwrap();
    assert_eq!(told[0].1.get("error"), None);
    assert_eq!(told[1].1["error"], "broke");
}

#[tokio::test(start_paused = true)]
async fn a_message_on_the_way_is_tried_once_whatever_the_answer() {
    let replies = [Reply::Status(500), Reply::Forbidden, Reply::Status(404)];
    let scene = Scene::new(EventFilter::default(), &replies);
    scene.drawing.start();
    pass(1000).await;
    scene.drawing.output();
    pass(1000).await;
    scene.drawing.output();
    pass(1000).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn completed_is_repeated_until_it_is_delivered_and_not_again() {
    for status in [429, 500, 502, 503, 504] {
        let scene = ended(only_completed(), &[Reply::Status(status); 9]);
        let expected = [
            0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200,
        ];
        assert_eq!(scene.times().await, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn completed_is_given_up_after_thirteen_attempts() {
    let scene = ended(only_completed(), &[Reply::Status(503); 20]);
    let told = scene.times().await;
    assert_eq!(told.len(), 13);
    assert_eq!(told[12], 409_400);
}

#[tokio::test(start_paused = true)]
async fn completed_is_not_repeated_after_an_answer_that_stays() {
    for reply in [301, 303, 400, 401, 404, 410, 501].map(Reply::Status) {
        assert_eq!(ended(only_completed(), &[reply]).times().await, [0]);
    }
    let forbidden = ended(only_completed(), &[Reply::Forbidden]);
    assert_eq!(forbidden.times().await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_to_stop_waits_a_second_between_attempts() {
    let scene = ended(only_completed(), &[Reply::Status(500); 20]);
    pass(1500).await;
    scene.stopping.cancel();
    let expected = [
        0, 200, 600, 1400, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500, 10_500,
    ];
    assert_eq!(scene.times().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_last_message_that_finds_no_room_to_wait_is_given_up() {
    let pace = Pace {
        backlog: 100 * 1024,
        ..Pace::default()
    };
    for (bytes, attempts) in [(90 * 1024, 13), (110 * 1024, 1)] {
        let scene = Scene::at_pace(pace, only_completed(), &[Reply::Status(500); 20]);
        scene
            .drawing
            .change(|state| state.output.push("x".repeat(bytes).into()));
        scene.drawing.end(Status::Succeeded);
        assert_eq!(scene.times().await.len(), attempts, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prediction_is_let_go_before_its_last_message_is_repeated() {
    let scene = ended(only_completed(), &[Reply::Status(500); 3]);
    let drawing = Arc::downgrade(&scene.drawing);
    let Scene {
        task,
        drawing: kept,
        ..
    } = scene;
    drop(kept);
    pass(100).await;
    assert_eq!(drawing.strong_count(), 0);
    task.await.unwrap();
}
