//! Simulated workers on one broker: what it costs to have 10, 100 and 1,000 of them, while they have no work, while all of
//! them draw, and when there is nothing to draw in a prediction. Nothing is printed where `redis-server` is not installed.
//!
//! Each worker is a [`RedisQueue`] and a [`RedisStore`] with their own connections, as in a process of its own. Instead of
//! drawing, it waits and publishes frames.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clipdraw::broker::{Broker, BrokerConfig, RedisQueue, RedisStore};
use clipdraw::inputs::Input;
use clipdraw::output::Provenance;
use clipdraw::service::{
    Accepted, CancelPolicy, Completion, Destination, Dispatch, Event, Job, Lease, Origin, Outcome,
    Prediction, Queue, RestartPolicy, Store,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::server::free_port;
use crate::spread;

/// Numbers of workers.
const WORKERS: [usize; 3] = [10, 100, 1000];
/// Frames of a simulated drawing, one a second.
const FRAMES: usize = 5;
/// Bytes of a frame.
const FRAME_BYTES: usize = 8_000;
/// For how long the broker is watched.
const WATCHED: Duration = Duration::from_secs(8);
/// Predictions without a drawing.
const EMPTY: usize = 2000;
/// Predictions that are submitted at the same time.
const SUBMITTED: usize = 32;

/// A broker that is stopped when it is dropped.
struct Redis {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null());
        let redis = Self {
            child: command.spawn().ok()?,
            port,
            _folder: folder,
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        connection.set_nodelay(true).unwrap();
        connection
    }

    /// Processor time that the broker has used, by Linux's count.
    fn processor_time(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = text.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        Duration::from_millis(10 * ticks.map(|part| part.parse::<u64>().unwrap()).sum::<u64>())
    }

    /// Scripts that were called, and connections.
    fn counts(&self) -> (u64, u64) {
        let mut connection = self.connect();
        connection
            .write_all(b"INFO commandstats\r\nINFO clients\r\nQUIT\r\n")
            .unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let digits: String = line
                .unwrap_or("0")
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().unwrap()
        };
        (
            number("cmdstat_evalsha:calls="),
            number("connected_clients:"),
        )
    }

    /// What the broker does until `is_over`, and how long it takes to answer.
    fn watch(&self, what: &str, is_over: impl Fn(Duration) -> bool) {
        let (began, used, calls) = (Instant::now(), self.processor_time(), self.counts().0);
        let mut connection = self.connect();
        let mut answers = BufReader::new(connection.try_clone().unwrap());
        let mut times = Vec::new();
        while !is_over(began.elapsed()) {
            let asked = Instant::now();
            connection.write_all(b"PING\r\n").unwrap();
            answers.read_line(&mut String::new()).unwrap();
            times.push(asked.elapsed().as_secs_f64());
            thread::sleep(Duration::from_millis(10));
        }
        let took = began.elapsed().as_secs_f64();
        let share = self.processor_time().saturating_sub(used).as_secs_f64() / took;
        let rate = (self.counts().0 - calls) as f64 / took;
        println!(
            "workers: {what}: {:.1} % of a core for the broker, {rate:.0} scripts a second, PING {}",
            1e2 * share,
            spread(times)
        );
    }
}

/// What all simulated workers count.
#[derive(Debug, Default)]
struct Counts {
    /// Whether predictions have no drawing.
    is_empty: AtomicBool,
    ended: AtomicUsize,
    lost: AtomicUsize,
}

fn broker(redis: &Redis, name: String) -> Arc<Broker> {
    Broker::new(BrokerConfig {
        url: format!("redis://127.0.0.1:{}", redis.port).into(),
        token_command: None,
        certificates: None,
        prefix: "cd:{0}:".to_owned(),
        name,
        lease: Duration::from_secs(10),
        capacity: 0,
        replay: 10,
        remember_for: Duration::from_mins(1),
        remember: 0,
        remember_bytes: 0,
    })
    .unwrap()
}

/// Prints all figures.
pub(crate) fn workers() {
    clipdraw::tls::install_crypto_provider();
    for number in WORKERS {
        let Some(redis) = Redis::start() else {
            println!("workers: redis-server is not installed");
            return;
        };
        let runtime = Runtime::new().unwrap();
        measure(&redis, &runtime, number);
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

fn measure(redis: &Redis, runtime: &Runtime, number: usize) {
    let counts = Arc::new(Counts::default());
    for index in 0..number {
        let _entered = runtime.enter();
        let broker = broker(redis, format!("worker{index}"));
        let queue = RedisQueue::new(Arc::clone(&broker));
        runtime.spawn(work(queue, RedisStore::new(broker), Arc::clone(&counts)));
    }
    let store = {
        let _entered = runtime.enter();
        Arc::new(RedisStore::new(broker(redis, "front end".to_owned())))
    };
    thread::sleep(Duration::from_secs(4));
    let connections = redis.counts().1;
    redis.watch(
        &format!("{number} without work, {connections} connections"),
        |time| time > WATCHED,
    );
    // All draw, and as many wait. The handles are kept, as if a client followed each.
    let followed = runtime.block_on(submit(&store, 2 * number));
    thread::sleep(Duration::from_secs(1));
    redis.watch(
        &format!("{number} that draw, {} followed", followed.len()),
        |time| time > WATCHED,
    );
    let all_ended = |wanted: usize| counts.ended.load(Ordering::Relaxed) >= wanted;
    while !all_ended(2 * number) {
        thread::sleep(Duration::from_millis(100));
    }
    drop(followed);
    counts.is_empty.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let submitting = runtime.spawn(async move { submit(&store, EMPTY).await.len() });
    redis.watch(
        &format!("{number}, {EMPTY} predictions without a drawing"),
        |_| all_ended(2 * number + EMPTY),
    );
    let rate = EMPTY as f64 / began.elapsed().as_secs_f64();
    runtime.block_on(submitting).unwrap();
    println!(
        "workers: {number}: {rate:.0} predictions without a drawing a second, {} leases lost in all",
        counts.lost.load(Ordering::Relaxed)
    );
}

/// Submits predictions, and returns their handles.
async fn submit(store: &Arc<RedisStore>, count: usize) -> Vec<Arc<Prediction>> {
    let tasks = (0..SUBMITTED).map(|task| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut handles = Vec::new();
            for number in (task..count).step_by(SUBMITTED) {
                let id = format!("{}-{number}", Timestamp::now().as_nanosecond());
                handles.push(store.insert(&accepted(id)).await.unwrap());
            }
            handles
        })
    });
    let handles = join_all(tasks).await.into_iter();
    handles.flat_map(Result::unwrap).collect()
}

fn accepted(id: String) -> Accepted {
    let values = json!({"prompt": "a cat", "seed": 1});
    Accepted {
        job: Job {
            id,
            input: Input::from_values(values.as_object().unwrap()).unwrap(),
            notes: Vec::new(),
            destination: Destination::Inline,
            cancel_policy: CancelPolicy::OnRequest,
            created_at: Timestamp::now(),
            origin: Origin::default(),
        },
        restart_policy: RestartPolicy::DrawAgain,
        receiver: None,
        dispatch: Dispatch::default(),
    }
}

async fn work(queue: RedisQueue, store: RedisStore, counts: Arc<Counts>) {
    while let Some(lease) = queue.lease().await {
        let Some(prediction) = store.leased(&lease).await else {
            queue.complete(lease).await;
            continue;
        };
        draw(&store, &prediction, &counts).await;
        if prediction.is_suspended() {
            counts.lost.fetch_add(1, Ordering::Relaxed);
            queue.complete(lease).await;
        } else {
            end(&queue, &store, &prediction, lease).await;
            counts.ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn draw(store: &RedisStore, prediction: &Arc<Prediction>, counts: &Counts) {
    let provenance = Provenance {
        model: "none".to_owned(),
        weights_sha256: String::new(),
        tensors: None,
        activation: None,
        device: "none".to_owned(),
        precision: "none".to_owned(),
        backend: None,
    };
    while store.begin(prediction, &provenance).await.is_err() {
        sleep(Duration::from_millis(200)).await;
    }
    let started_at = Timestamp::now();
    store
        .append(prediction, vec![Event::Start { started_at }])
        .await;
    if counts.is_empty.load(Ordering::Relaxed) {
        return;
    }
    for index in 0..FRAMES {
        sleep(Duration::from_secs(1)).await;
        let data = "a line of the log\n".into();
        let file = "x".repeat(FRAME_BYTES).into();
        let events = vec![Event::Log { data }, Event::Output { index, file }];
        store.append(prediction, events).await;
    }
}

async fn end(queue: &RedisQueue, store: &RedisStore, prediction: &Arc<Prediction>, lease: Lease) {
    let completion = Completion {
        outcome: Outcome::Succeeded,
        completed_at: Timestamp::now(),
        predict_time: 1.0,
    };
    store.record_end(prediction, &completion).await;
    queue.complete(lease).await;
    store.publish_end(prediction, completion).await;
}
