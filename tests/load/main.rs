//! The load that a server can handle: `cargo bench --bench load` starts one with the embedded model and prints
//! how many answers came back, how long they took beside the drawing, and how much memory it had.
//!
//! Words select sections: `cargo bench --bench load -- memory`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and ends when something is wrong"
)]

#[path = "../conformance/cog.rs"]
mod cog;
mod accept;
mod broker;
mod connections;
mod overhead;
mod server;
mod workers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use server::Server;

/// Posts one after another on one connection.
const SEQUENTIAL: usize = 400;
/// Clients at the same moment.
const CROWD: usize = 200;
/// Predictions between whose ends the memory is looked at.
const MEMORY_LAPS: usize = 4;
/// Predictions of one lap.
const LAP: usize = 500;
/// Subscribers of one prediction.
const SUBSCRIBERS: usize = 1000;

/// The cheapest drawing there is.
fn tiny() -> Value {
    json!({"input": {
        "prompt": "a cat", "num_paths": 1, "num_iterations": 1, "num_augmentations": 1,
        "canvas_width": 64, "canvas_height": 64, "seed": 1,
    }})
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|word| word == name);
    if wanted("sequential") {
        sequential().await;
    }
    if wanted("accept") {
        accept::accept().await;
    }
    if wanted("broker") {
        broker::broker().await;
    }
    if wanted("workers") {
        // Its simulated workers have a runtime of their own.
        std::thread::spawn(workers::workers).join().unwrap();
    }
    if wanted("overhead") {
        overhead::overhead().await;
    }
    if wanted("crowd") {
        crowd().await;
    }
    if wanted("connections") {
        connections::connections().await;
    }
    if wanted("memory") {
        memory().await;
    }
    if wanted("subscribers") {
        subscribers().await;
    }
}

async fn post(client: &Client, server: &Server, body: &Value) -> Response {
    let request = client.post(server.url("/predictions")).json(body);
    request.send().await.unwrap()
}

/// Back-to-back posts: the real server refuses a quarter of them.
async fn sequential() {
    let server = Server::start(&[]).await;
    let client = server::client();
    let mut statuses = BTreeMap::new();
    let mut besides = Vec::new();
    for _ in 0..SEQUENTIAL {
        let began = Instant::now();
        let response = post(&client, &server, &tiny()).await;
        *statuses.entry(response.status().as_u16()).or_insert(0) += 1;
        let body: Value = response.json().await.unwrap();
        let drawing = body["metrics"]["predict_time"].as_f64().unwrap();
        besides.push(began.elapsed().as_secs_f64() - drawing);
    }
    println!(
        "sequential: {SEQUENTIAL} posts on one connection, answers by status {statuses:?}; beside \
         the drawing: {}",
        spread(besides)
    );
}

/// Median and 99th percentile of times in seconds.
fn spread(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1e3 * seconds[(share * (seconds.len() - 1) as f64) as usize];
    format!("median {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}

/// Many clients, one slot, a queue for all of them.
async fn crowd() {
    let queue = CROWD.to_string();
    let server = Server::start(&["--queue", &queue]).await;
    let client = server::client();
    let began = Instant::now();
    let posts: Vec<_> = (0..CROWD)
        .map(|_| {
            let request = client.post(server.url("/predictions")).json(&tiny());
            tokio::spawn(async move {
                let body: Value = request.send().await.unwrap().json().await.unwrap();
                body["status"].as_str().unwrap().to_owned()
            })
        })
        .collect();
    let mut ends = BTreeMap::new();
    for post in posts {
        *ends.entry(post.await.unwrap()).or_insert(0) += 1;
    }
    let counted = server.metric("clipdraw_predictions_total").await;
    println!(
        "crowd: {CROWD} clients at once on one slot: final answers {ends:?} in {:.1} s; the \
         server counted {counted}",
        began.elapsed().as_secs_f64()
    );
}

/// Memory after each round of predictions; the first round fills the caches and the store of finished ones.
async fn memory() {
    let server = Server::start(&[]).await;
    let client = server::client();
    let mut megabytes = vec![server.resident_megabytes()];
    for _ in 0..MEMORY_LAPS {
        for _ in 0..LAP {
            let response = post(&client, &server, &tiny()).await;
            assert!(response.status().is_success());
            response.bytes().await.unwrap();
        }
        megabytes.push(server.resident_megabytes());
    }
    println!(
        "memory: resident MB at the start and after each {LAP} of {} predictions: {megabytes:.1?}",
        MEMORY_LAPS * LAP
    );
}

/// One long prediction with a thousand subscribers.
async fn subscribers() {
    let server = Server::start(&[]).await;
    let client = server::client();
    let long = json!({"id": "long", "input": {
        "num_paths": 8, "num_iterations": 10_000, "display_frequency": 10_000, "seed": 1,
        "num_augmentations": 1, "canvas_width": 64, "canvas_height": 64,
    }});
    let accepted = client
        .post(server.url("/predictions"))
        .header("prefer", "respond-async")
        .json(&long);
    assert_eq!(accepted.send().await.unwrap().status().as_u16(), 202);
    let before = server.resident_megabytes();
    let mut streams = Vec::with_capacity(SUBSCRIBERS);
    for _ in 0..SUBSCRIBERS {
        let watch = client
            .get(server.url("/predictions/long"))
            .header("accept", "text/event-stream");
        let response = watch.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        streams.push(tokio::spawn(async move { response.text().await.unwrap() }));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let with = server.resident_megabytes();
    let began = Instant::now();
    let cancel = client.post(server.url("/predictions/long/cancel"));
    cancel.send().await.unwrap();
    let mut complete = 0;
    for stream in streams {
        complete += usize::from(stream.await.unwrap().contains("event: completed"));
    }
    println!(
        "subscribers: {SUBSCRIBERS} idle on one prediction: {:.1} MB for all of them; {complete} \
         received the end, the last {:.0} ms after the cancel",
        with - before,
        began.elapsed().as_secs_f64() * 1e3
    );
}
