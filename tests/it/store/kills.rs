//! The program is killed at random moments while clients follow its predictions.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::client::{Events, drawing, finished, get, put, url, wait_until, with_store};
use crate::serve::Server;

/// How often the program is killed.
const KILLS: u32 = 30;

/// The longest life of the program, after it has begun to listen or is ready.
const MAX_LIFE: Duration = Duration::from_millis(700);

/// The variable with the seed, to repeat a test that failed.
const SEED: &str = "CLIPDRAW_KILL_SEED";

/// What a receiver has got.
#[derive(Debug, PartialEq)]
struct Message {
    name: String,
    status: String,
    files: usize,
    lines: usize,
}

/// A receiver of webhooks that now and then cannot take one.
struct Receiver {
    runtime: Runtime,
    server: MockServer,
}

impl Receiver {
    fn start(seed: u64) -> Self {
        let runtime = Runtime::new().unwrap();
        let random = parking_lot::Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        let answer = move |_: &Request| {
            let is_busy = random.lock().random_bool(0.2);
            ResponseTemplate::new(if is_busy { 503 } else { 200 })
        };
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(answer).mount(&server).await;
            server
        });
        Self { runtime, server }
    }

    /// The messages about each prediction, in order.
    fn messages(&self) -> BTreeMap<String, Vec<Message>> {
        let requests = self.runtime.block_on(self.server.received_requests());
        let mut messages: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for request in requests.unwrap() {
            let body: Value = request.body_json().unwrap();
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            let of_prediction = messages.entry(text("id")).or_default();
            of_prediction.push(Message {
                name: request.headers["webhook-id"].to_str().unwrap().to_owned(),
                status: text("status"),
                files: body["output"].as_array().map_or(0, Vec::len),
                lines: text("logs").lines().count(),
            });
        }
        messages
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the seed of a test that failed is given for one run"
)]
fn seed() -> u64 {
    let chosen = std::env::var_os(SEED).and_then(|seed| seed.into_string().ok()?.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    chosen.unwrap_or_else(|| now.unwrap().as_nanos() as u64)
}

/// When the program is killed.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// Whether the model is loaded before.
    is_ready: bool,
    /// How long it still lives then.
    rest: Duration,
}

/// One life of the program. New predictions are requested and all are followed until it is killed.
fn live(store: &Path, life: Life, new: &[(String, Value)], known: &mut BTreeMap<String, Events>) {
    let mut server = Server::run(with_store(store, &[]));
    let client = Client::builder().no_proxy().timeout(None).build().unwrap();
    let (address, quick) = (server.address.clone(), server.client.clone());
    let unfinished = known.iter().filter(|(_, events)| !events.are_complete());
    let mut followers: Vec<_> = unfinished
        .map(|(id, events)| follow(&client, &address, id, events.clone()))
        .collect();
    let requests: Vec<_> = new.to_vec();
    let requesting = thread::spawn(move || {
        let mut accepted = Vec::new();
        for (id, body) in requests {
            // Until the model is loaded the answer is 503.
            let answer = loop {
                let request = quick.put(format!("http://{address}/predictions/{id}"));
                let request = request.header("prefer", "respond-async").json(&body);
                match request.send() {
                    Ok(answer) if answer.status() == 503 => thread::sleep(Duration::from_millis(5)),
                    answer => break answer,
                }
            };
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.status(), 202);
                    let follower = follow(&client, &address, &id, Events::default());
                    accepted.push(follower);
                }
                // Killed; whether the prediction was accepted is unknown.
                Err(_) => return accepted,
            }
        }
        accepted
    });
    if life.is_ready {
        server.wait_until_ready();
    }
    thread::sleep(life.rest);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    followers.extend(requesting.join().unwrap());
    for follower in followers {
        let (id, events) = follower.join().unwrap();
        known.insert(id, events);
    }
}

fn follow(
    client: &Client,
    address: &str,
    id: &str,
    mut events: Events,
) -> thread::JoinHandle<(String, Events)> {
    let (client, id) = (client.clone(), id.to_owned());
    let url = format!("http://{address}/predictions/{id}");
    thread::spawn(move || {
        events.follow(&client, &url);
        (id, events)
    })
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the seed repeats the test, and the figures show what it did"
)]
fn nothing_that_was_accepted_is_lost_when_the_program_is_killed() {
    let seed = seed();
    println!("{SEED}={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let receiver = Receiver::start(seed);
    let mut known = BTreeMap::new();
    for number in 0..KILLS {
        let new: Vec<_> = (0..random.random_range(1..4))
            .map(|index| {
                let mut body = drawing(20);
                body["webhook"] = receiver.server.uri().into();
                (format!("p{number}-{index}"), body)
            })
            .collect();
        let life = Life {
            is_ready: random.random_bool(0.8),
            rest: MAX_LIFE.mul_f64(random.random_range(0.0..1.0)),
        };
        live(&store, life, &new, &mut known);
    }
    let mut server = Server::run(with_store(&store, &[]));
    server.wait_until_ready();
    put(&server, "reference", &drawing(20)).unwrap();
    let reference = finished(&server, "reference");
    assert_eq!(reference["output"].as_array().unwrap().len(), 11);
    assert!(known.len() > 10, "{} were accepted", known.len());
    let mut failed = 0;
    for (id, events) in &mut known {
        failed += usize::from(!check(&server, id, events, &reference));
    }
    println!("{} predictions, {failed} of them failed", known.len());
    check_webhooks(&receiver, &known);
    assert_eq!(get(&server, "/ready").0, 200);
}

/// Checks every number and byte of a prediction. Returns whether it has succeeded.
fn check(server: &Server, id: &str, events: &mut Events, reference: &Value) -> bool {
    let state = finished(server, id);
    let stream = url(server, &format!("/predictions/{id}"));
    if !events.are_complete() {
        events.follow(&server.client, &stream);
    }
    assert!(events.are_complete(), "{id}: {events:?}");
    let ends = events
        .received
        .values()
        .filter(|(name, _)| name == "completed");
    assert_eq!(ends.count(), 1, "{id}");
    let end = &events.received[&events.last()].1;
    assert_eq!(end["status"], state["status"], "{id}");
    let files = state.get("output").cloned().unwrap_or_else(|| json!([]));
    assert_eq!(json!(events.files()), files, "{id}");
    if state["status"] == "failed" {
        // It had the bad luck to be drawn each time.
        let message = state["error"].as_str().unwrap();
        assert!(message.contains("has ended 3 times"), "{id}: {message}");
        return false;
    }
    assert_eq!(state["status"], "succeeded", "{id}");
    assert_eq!(state["output"], reference["output"], "{id}");
    // Somebody who follows it now gets the same events.
    let mut again = Events::default();
    again.follow(&server.client, &stream);
    assert_eq!(again.files(), events.files(), "{id}");
    assert_eq!(again.last(), events.last(), "{id}");
    true
}

/// Checks that every receiver has got `completed`, perhaps several times, and nothing after it, and never an older state after
/// a newer one.
fn check_webhooks(receiver: &Receiver, known: &BTreeMap<String, Events>) {
    wait_until("every receiver gets its last webhook", || {
        let messages = receiver.messages();
        known.keys().all(|id| {
            let last = messages.get(id).and_then(|all| all.last());
            last.is_some_and(|message| message.name.ends_with(".completed"))
        })
    });
    for (id, messages) in receiver.messages() {
        let is_completed = |message: &&Message| message.name.ends_with(".completed");
        for pair in messages.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert!(
                before.files <= after.files && before.lines <= after.lines,
                "{id}: {before:?} {after:?}"
            );
        }
        let first = messages.iter().find(is_completed).unwrap();
        let before = messages.iter().take_while(|message| *message != first);
        let after = &messages[before.count()..];
        assert!(
            after.iter().all(|message| message == first),
            "{id}: {messages:?}"
        );
    }
}
