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
use crate::skip::pass_over;
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

/// The seed of a test, which is printed.
#[expect(clippy::print_stdout, reason = "the seed repeats the test")]
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = variable(SEED).unwrap_or_else(|| now.unwrap().as_nanos() as u64);
    println!("{SEED}={seed}");
    seed
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

/// Predictions that are requested by turns from the front ends of a cluster.
struct Trial {
    seed: u64,
    random: ChaCha8Rng,
    front_ends: FrontEnds,
    receiver: Receiver,
    references: Vec<Events>,
    clients: JoinSet<Seen>,
    seen: Vec<Seen>,
    number: u64,
}

impl Trial {
    async fn start(cluster: &Cluster, seed: u64) -> Self {
        let front_ends = front_ends(cluster);
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            receiver: Receiver::start(seed).await,
            references: references(&front_ends).await,
            front_ends,
            clients: JoinSet::new(),
            seen: Vec::new(),
            number: 0,
        }
    }

    /// Requests the next prediction, once fewer than `crowd` are unfinished.
    async fn request(&mut self, crowd: usize) {
        if self.clients.len() >= crowd {
            self.next().await;
        }
        let request = request(self.number, &mut self.random, &self.receiver);
        self.number += 1;
        let front_ends = self.front_ends.clone();
        self.clients
            .spawn(async move { front_ends.run(request).await });
    }

    /// Waits for one of the clients.
    async fn next(&mut self) {
        if let Some(one) = self.clients.join_next().await {
            self.seen.push(one.unwrap());
        }
    }

    /// Waits for all clients, and checks that nothing went wrong. `logs` are printed otherwise.
    #[expect(clippy::print_stdout, reason = "the figures show what the test did")]
    async fn finish(mut self, logs: impl FnOnce() -> String) -> Report {
        while !self.clients.is_empty() {
            self.next().await;
        }
        let (front_ends, receiver) = (&self.front_ends, &self.receiver);
        let report = Report::check(front_ends, receiver, &self.references, self.seen).await;
        println!("{report}");
        assert!(
            report.problems.is_empty(),
            "{SEED}={}\n{}\n{}",
            self.seed,
            report.problems.join("\n"),
            logs()
        );
        report
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures show what the test did")]
async fn nothing_that_was_accepted_is_lost_when_anything_is_killed() {
    if !has_redis() {
        return;
    }
    let seed = seed();
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), 2, 3);
    let mut trial = Trial::start(&cluster, seed).await;
    let time = variable(MINUTES).map_or(KILLING, Duration::from_mins);
    let random = ChaCha8Rng::from_rng(&mut trial.random);
    let killer = Killer::start(cluster, random, time, MIN_KILLS);
    while !killer.is_finished() {
        trial.request(CROWD).await;
        sleep(Duration::from_millis(trial.random.random_range(0..100))).await;
    }
    let mut killed = killer.finish();
    println!("{}", killed.summary());
    let report = trial.finish(|| killed.cluster.logs()).await;
    assert!(killed.kills >= MIN_KILLS, "{}", killed.summary());
    assert!(report.accepted > 20, "{report}");
    assert!(killed.improper.is_empty(), "{}", killed.summary());
    let ended = killed.cluster.ended();
    assert!(ended.is_empty(), "{ended:?} ended by themselves");
}

/// Predictions of every kind at the same time, without failures.
const PREDICTIONS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_predictions_ends_exactly_once() {
    if !has_redis() {
        return;
    }
    let seed = seed();
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 2, 3);
    let mut trial = Trial::start(&cluster, seed).await;
    for _ in 0..PREDICTIONS {
        trial.request(100).await;
    }
    let report = trial.finish(|| cluster.logs()).await;
    assert_eq!(report.failed, 0, "{report}");
    assert!(cluster.ended().is_empty());
}

/// The clocks of machines differ by minutes and jump while they draw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_and_jump_change_nothing() {
    // Not that of the broker: redis-server does not start with the library that changes clocks.
    const CLOCKS: &[Clock] = &[Clock::FrontEnds, Clock::Workers];
    if !Cluster::can_change_clocks() {
        return pass_over("libfaketime is not installed");
    }
    if !has_redis() {
        return;
    }
    let seed = seed();
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::with_clocks(folder.path(), 2, 2, CLOCKS);
    let mut trial = Trial::start(&cluster, seed).await;
    for _ in 0..60 {
        let clock = CLOCKS[trial.random.random_range(0..CLOCKS.len())];
        cluster.set(clock, trial.random.random_range(-900..900));
        trial.request(6).await;
    }
    trial.finish(|| cluster.logs()).await;
    assert!(cluster.ended().is_empty());
}
