//! Predictions through a broker: the time to a 202, predictions and frames a second, the time that a lost worker costs, and
//! the memory of a finished prediction in the broker. Nothing is printed where `redis-server` is not installed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::server::{client, free_port};
use crate::{spread, tiny};

/// Requests for the time to a 202, one after another.
const REQUESTS: usize = 500;
/// Predictions for their number a second.
const JOBS: usize = 300;
/// Predictions whose memory is measured.
const KEPT: usize = 50;
/// Workers that are killed.
const KILLS: usize = 3;

/// A broker, a front end and workers.
struct Machines {
    broker: u16,
    front_end: u16,
    processes: Vec<Child>,
    _folder: TempDir,
}

impl Drop for Machines {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Machines {
    async fn start(fsync: &str, workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (broker, front_end) = (free_port(), free_port());
        let mut redis = Command::new("redis-server");
        redis
            .args([
                "--port",
                &broker.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "yes", "--appendfsync", fsync, "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null());
        let mut machines = Self {
            broker,
            front_end,
            processes: vec![redis.spawn().unwrap()],
            _folder: folder,
        };
        let serve = machines.program(&["serve", "--slots", "0"], front_end);
        machines.processes.push(serve);
        for _ in 0..workers {
            machines.add_worker().await;
        }
        wait_until_ready(front_end).await;
        machines
    }

    async fn add_worker(&mut self) {
        let port = free_port();
        let worker = self.program(&["work", "--slots", "1"], port);
        self.processes.push(worker);
        wait_until_ready(port).await;
    }

    fn program(&self, arguments: &[&str], port: u16) -> Child {
        Command::new(env!("CARGO_BIN_EXE_clipdraw"))
            .args(arguments)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env(
                "CLIPDRAW_BROKER",
                format!("redis://127.0.0.1:{}", self.broker),
            )
            .env("COG_LOG_LEVEL", "error")
            .spawn()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.front_end)
    }

    async fn submit(&self, client: &Client, id: &str, body: &Value) {
        let put = client.put(self.url(&format!("/predictions/{id}")));
        let put = put.header("prefer", "respond-async").json(body);
        assert_eq!(put.send().await.unwrap().status(), 202);
    }

    async fn unfinished(&self, client: &Client) -> bool {
        let list = client.get(self.url("/predictions?status=starting,processing&limit=1"));
        let list: Value = list.send().await.unwrap().json().await.unwrap();
        !list["results"].as_array().unwrap().is_empty()
    }

    async fn wait_for_all(&self, client: &Client) {
        while self.unfinished(client).await {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The memory of the data in the broker, in bytes.
    fn memory(&self) -> f64 {
        let mut connection = TcpStream::connect(("127.0.0.1", self.broker)).unwrap();
        connection.write_all(b"INFO memory\r\nQUIT\r\n").unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix("used_memory:")?.parse().ok())
            .unwrap()
    }
}

async fn wait_until_ready(port: u16) {
    let client = client();
    loop {
        let answer = client
            .get(format!("http://127.0.0.1:{port}/ready"))
            .send()
            .await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Prints all figures.
pub(crate) async fn broker() {
    let installed = Command::new("redis-server").arg("--version").output();
    if installed.is_err() {
        println!("broker: redis-server is not installed");
        return;
    }
    for fsync in ["everysec", "always"] {
        accept(fsync).await;
    }
    let machines = Machines::start("everysec", 2).await;
    jobs(&machines).await;
    frames(&machines).await;
    memory(&machines).await;
    drop(machines);
    recovery().await;
}

async fn accept(fsync: &str) {
    let machines = Machines::start(fsync, 1).await;
    let client = client();
    let mut times = Vec::new();
    for number in 0..REQUESTS {
        let began = Instant::now();
        machines
            .submit(&client, &format!("a{number}"), &tiny())
            .await;
        times.push(began.elapsed().as_secs_f64());
    }
    println!(
        "broker: {REQUESTS} answers with 202, AOF {fsync}: {}",
        spread(times)
    );
}

async fn jobs(machines: &Machines) {
    let client = client();
    let began = Instant::now();
    for number in 0..JOBS {
        machines
            .submit(&client, &format!("j{number}"), &tiny())
            .await;
    }
    machines.wait_for_all(&client).await;
    let rate = JOBS as f64 / began.elapsed().as_secs_f64();
    println!("broker: {JOBS} predictions of one step, 2 workers: {rate:.1} a second");
}

async fn frames(machines: &Machines) {
    let client = client();
    let mut body = tiny();
    body["input"]["num_iterations"] = 200.into();
    body["input"]["display_frequency"] = 1.into();
    let began = Instant::now();
    let mut followers = Vec::new();
    for number in 0..2 {
        let id = format!("f{number}");
        machines.submit(&client, &id, &body).await;
        let request = client.get(machines.url(&format!("/predictions/{id}")));
        let request = request.header("accept", "text/event-stream");
        followers.push(tokio::spawn(async move {
            let text = request.send().await.unwrap().text().await.unwrap();
            text.matches("event: output").count()
        }));
    }
    let mut received = 0;
    for follower in followers {
        received += follower.await.unwrap();
    }
    let rate = received as f64 / began.elapsed().as_secs_f64();
    println!(
        "broker: {received} frames of 2 drawings, a frame each step: {rate:.1} a second at their followers"
    );
}

async fn memory(machines: &Machines) {
    let client = client();
    let body = json!({"input": {
        "prompt": "a cat", "num_paths": 256, "num_iterations": 60, "display_frequency": 1, "num_augmentations": 1, "seed": 1
    }});
    let before = machines.memory();
    for number in 0..KEPT {
        machines.submit(&client, &format!("m{number}"), &body).await;
    }
    machines.wait_for_all(&client).await;
    let each = (machines.memory() - before) / KEPT as f64;
    println!(
        "broker: {:.0} KB of memory for a finished prediction with 61 files of 256 strokes",
        each / 1e3
    );
}

/// The time from `kill -9` of a worker to the next event of what it drew, with another worker that is free.
async fn recovery() {
    let mut times = Vec::new();
    for number in 0..KILLS {
        let mut machines = Machines::start("everysec", 1).await;
        let client = client();
        let body = json!({"input": {
            "prompt": "a cat", "num_paths": 4, "num_iterations": 10_000, "display_frequency": 5, "num_augmentations": 1, "seed": 1
        }});
        let id = format!("r{number}");
        machines.submit(&client, &id, &body).await;
        let follow = client.get(machines.url(&format!("/predictions/{id}")));
        let mut events = follow
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap();
        let mut received = 0;
        while received < 5 {
            let chunk = events.chunk().await.unwrap().unwrap();
            received += chunk
                .windows(13)
                .filter(|part| part == b"event: output")
                .count();
        }
        machines.add_worker().await;
        let worker = &mut machines.processes[2];
        worker.kill().unwrap();
        worker.wait().unwrap();
        let began = Instant::now();
        // What was on its way arrives at once.
        let mut last = Instant::now();
        loop {
            let chunk = events.chunk().await.unwrap().unwrap();
            let is_event = chunk.windows(7).any(|part| part == b"event: ");
            if is_event && last.elapsed() > Duration::from_secs(2) {
                break;
            }
            if is_event {
                last = Instant::now();
            }
        }
        times.push(began.elapsed().as_secs_f64());
    }
    println!(
        "broker: {KILLS} workers killed, a lease of 10 s: {} until the next event",
        spread(times)
    );
}
