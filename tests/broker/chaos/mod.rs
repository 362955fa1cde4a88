//! Servers, workers and the broker are killed at random moments while hundreds of predictions are requested, followed, cancelled
//! and announced by webhooks. Whatever happens, every prediction that was accepted ends once, with the events, bytes and
//! numbers that it has without failures.
//!
//! The seed is printed; `CLIPDRAW_CHAOS_SEED` repeats it. `CLIPDRAW_CHAOS_MINUTES` kills for longer.

mod client;
mod cluster;
mod killer;
mod receiver;
mod reference;
mod report;

use std::time::{Duration, SystemTime};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::has_redis;
use client::{FrontEnds, Mode, Request, Seen};
use cluster::{Clock, Cluster};
use killer::Killer;
use receiver::Receiver;
use reference::{Events, VARIANTS, body};
use report::Report;

/// The variable with the seed, to repeat a test that failed.
const SEED: &str = "CLIPDRAW_CHAOS_SEED";

/// The variable with the minutes for which processes are killed, instead of [`KILLING`].
const MINUTES: &str = "CLIPDRAW_CHAOS_MINUTES";

/// How long processes are killed.
const KILLING: Duration = Duration::from_secs(35);

/// The minimum number of processes that are killed.
const MIN_KILLS: u32 = 30;

/// How many predictions are unfinished at most.
const CROWD: usize = 12;

#[expect(
    clippy::disallowed_methods,
    reason = "the seed of a test that failed is given for one run"
)]
fn variable(name: &str) -> Option<u64> {
    std::env::var_os(name)?.into_string().ok()?.parse().ok()
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    variable(SEED).unwrap_or_else(|| now.unwrap().as_nanos() as u64)
}

#[expect(
    clippy::disallowed_methods,
    reason = "CI says through the environment that it may skip nothing"
)]
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

fn front_ends(cluster: &Cluster) -> FrontEnds {
    clipdraw::tls::install_crypto_provider();
    FrontEnds {
        addresses: cluster.addresses(),
        client: Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .unwrap(),
    }
}

/// The events of each variant without failures.
async fn references(front_ends: &FrontEnds) -> Vec<Events> {
    let mut references = Vec::new();
    for variant in 0..VARIANTS {
        let request = Request {
            id: format!("reference-{variant}"),
            mode: Mode::Follow,
            body: body(variant),
            random: ChaCha8Rng::seed_from_u64(variant),
        };
        let seen = front_ends.run(request).await;
        assert_eq!(seen.events.status(), Some("succeeded"), "{seen:?}");
        references.push(seen.events);
    }
    references
}

/// The request of one number; half of them have a webhook.
fn request(number: u64, random: &mut ChaCha8Rng, receiver: &Receiver) -> Request {
    let variant = random.random_range(0..VARIANTS);
    let mut body = body(variant);
    if random.random_bool(0.5) {
        body["webhook"] = receiver.url().into();
    }
    if random.random_bool(0.3) {
        body["priority"] = Value::from(["high", "normal", "low"][random.random_range(0..3)]);
    }
    Request {
        id: format!("p{number}-{variant}"),
        mode: Mode::choose(random),
        body,
        random: ChaCha8Rng::from_rng(random),
    }
}

/// Waits for one of the clients.
async fn next(clients: &mut JoinSet<Seen>, seen: &mut Vec<Seen>) {
    if let Some(one) = clients.join_next().await {
        seen.push(one.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "the seed repeats the test, and the figures show what it did"
)]
async fn nothing_that_was_accepted_is_lost_when_anything_is_killed() {
    if !has_redis() {
        return;
    }
    let seed = seed();
    println!("{SEED}={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), 2, 3);
    let front_ends = front_ends(&cluster);
    let receiver = Receiver::start(seed).await;
    let references = references(&front_ends).await;
    let time = variable(MINUTES).map_or(KILLING, Duration::from_mins);
    let killer = Killer::start(cluster, ChaCha8Rng::from_rng(&mut random), time, MIN_KILLS);
    let mut clients = JoinSet::new();
    let mut seen = Vec::new();
    let mut number = 0;
    while !killer.is_finished() {
        if clients.len() >= CROWD {
            next(&mut clients, &mut seen).await;
        }
        let request = request(number, &mut random, &receiver);
        number += 1;
        let front_ends = front_ends.clone();
        clients.spawn(async move { front_ends.run(request).await });
        sleep(Duration::from_millis(random.random_range(0..100))).await;
    }
    let mut killed = killer.finish();
    while !clients.is_empty() {
        next(&mut clients, &mut seen).await;
    }
    println!("{}", killed.summary());
    let report = Report::check(&front_ends, &receiver, &references, seen).await;
    println!("{report}");
    assert!(
        report.problems.is_empty(),
        "{SEED}={seed}\n{}\n{}",
        report.problems.join("\n"),
        killed.cluster.logs()
    );
    assert!(killed.kills >= MIN_KILLS, "{}", killed.summary());
    assert!(report.accepted > 20, "{report}");
    assert!(killed.improper.is_empty(), "{}", killed.summary());
    let ended = killed.cluster.ended();
    assert!(ended.is_empty(), "{ended:?} ended by themselves");
}

/// Predictions of every kind at the same time, without failures.
const PREDICTIONS: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "the seed repeats the test, and the figures show what it did"
)]
async fn each_of_many_predictions_ends_exactly_once() {
    if !has_redis() {
        return;
    }
    let seed = seed();
    println!("{SEED}={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 2, 3);
    let front_ends = front_ends(&cluster);
    let receiver = Receiver::start(seed).await;
    let references = references(&front_ends).await;
    let mut clients = JoinSet::new();
    let mut seen = Vec::new();
    for number in 0..PREDICTIONS {
        if clients.len() >= 100 {
            next(&mut clients, &mut seen).await;
        }
        let request = request(number, &mut random, &receiver);
        let front_ends = front_ends.clone();
        clients.spawn(async move { front_ends.run(request).await });
    }
    while !clients.is_empty() {
        next(&mut clients, &mut seen).await;
    }
    let report = Report::check(&front_ends, &receiver, &references, seen).await;
    println!("{report}");
    assert!(
        report.problems.is_empty(),
        "{SEED}={seed}\n{}\n{}",
        report.problems.join("\n"),
        cluster.logs()
    );
    assert_eq!(report.failed, 0, "{report}");
    assert!(cluster.ended().is_empty());
}

/// The clocks of machines differ by minutes and jump while they draw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::print_stdout,
    reason = "the seed repeats the test, and the figures show what it did"
)]
async fn clocks_that_differ_and_jump_change_nothing() {
    // Not that of the broker: redis-server does not start with the library that changes clocks.
    const CLOCKS: &[Clock] = &[Clock::FrontEnds, Clock::Workers];
    if !Cluster::can_change_clocks() {
        assert!(
            !is_ci(),
            "libfaketime is not installed, and CI may skip nothing"
        );
        println!("skipped: libfaketime is not installed");
        return;
    }
    if !has_redis() {
        return;
    }
    let seed = seed();
    println!("{SEED}={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::with_clocks(folder.path(), 2, 2, CLOCKS);
    let front_ends = front_ends(&cluster);
    let receiver = Receiver::start(seed).await;
    let references = references(&front_ends).await;
    let mut clients = JoinSet::new();
    let mut seen = Vec::new();
    for number in 0..60 {
        if clients.len() >= 6 {
            next(&mut clients, &mut seen).await;
        }
        let clock = CLOCKS[random.random_range(0..CLOCKS.len())];
        cluster.set(clock, random.random_range(-900..900));
        let request = request(number, &mut random, &receiver);
        let front_ends = front_ends.clone();
        clients.spawn(async move { front_ends.run(request).await });
    }
    while !clients.is_empty() {
        next(&mut clients, &mut seen).await;
    }
    let report = Report::check(&front_ends, &receiver, &references, seen).await;
    println!("{report}");
    assert!(
        report.problems.is_empty(),
        "{SEED}={seed}\n{}\n{}",
        report.problems.join("\n"),
        cluster.logs()
    );
    assert!(cluster.ended().is_empty());
}
