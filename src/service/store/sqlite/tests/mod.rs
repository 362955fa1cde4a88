//! The store in a file: what is found after it was opened again.

mod damage;
mod files;
mod full_disk;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{OpenError, SqliteStore};
use crate::cog::Status;
use crate::output::Provenance;
use crate::service::accepted::{Accepted, Dispatch, Receiver, RestartPolicy};
use crate::service::event::Event;
use crate::service::job::Job;
use crate::service::limits::Limits;
use crate::service::outcome::Outcome;
use crate::service::prediction::Prediction;
use crate::service::store::{Cursor, ListQuery, Store};

const LIMITS: Limits = Limits {
    slots: 1,
    queue: 10,
    long_queue: 10,
    replay: 1024,
    remember: 100,
    remember_for: Duration::from_hours(1),
    remember_bytes: 1 << 28,
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("predictions.sqlite3")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.file(), LIMITS).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn accepted(id: &str, restart_policy: RestartPolicy) -> Accepted {
    Accepted {
        job: Job {
            created_at: Timestamp::now(),
            ..Job::sample(id)
        },
        restart_policy,
        receiver: None,
        dispatch: Dispatch::default(),
    }
}

fn with_receiver(id: &str) -> Accepted {
    Accepted {
        receiver: Some(Receiver::new("somebody".to_owned())),
        ..accepted(id, RestartPolicy::DrawAgain)
    }
}

async fn insert(store: &SqliteStore, id: &str) -> Arc<Prediction> {
    let accepted = accepted(id, RestartPolicy::DrawAgain);
    store.insert(&accepted).await.unwrap()
}

async fn end(store: &SqliteStore, prediction: &Arc<Prediction>, outcome: Outcome) {
    let completion = prediction.completion(outcome);
    store.record_end(prediction, &completion).await;
    store.publish_end(prediction, completion).await;
}

fn frame(index: usize, bytes: usize) -> Vec<Event> {
    vec![
        Event::log(&format!("step {index}")),
        Event::Output {
            index,
            file: format!("data:{}", "x".repeat(bytes)).into(),
        },
    ]
}

fn start() -> Vec<Event> {
    vec![Event::Start {
        started_at: Timestamp::now(),
    }]
}

fn provenance() -> Provenance {
    Provenance {
        model: "fake".to_owned(),
        weights_sha256: String::new(),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    }
}

#[tokio::test]
async fn a_finished_prediction_is_the_same_after_a_restart() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    store.append(&prediction, start()).await;
    store.append(&prediction, frame(0, 1000)).await;
    store.add_note(&prediction, "webhook: too large").await;
    store.append(&prediction, frame(1, 1000)).await;
    end(&store, &prediction, Outcome::Failed("why".to_owned())).await;
    store.add_note(&prediction, "webhook: after the end").await;
    store.close().await;
    drop(store);

    let store = folder.open();
    assert!(store.recover().await.unwrap().unfinished.is_empty());
    let found = store.find("one").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
    assert!(found.snapshot().logs.ends_with("after the end\n"));
    for number in 1..=10 {
        assert_eq!(found.event(number), prediction.event(number), "{number}");
    }
    assert!(store.unfinished("one").await.is_none());
    assert!(store.find("two").await.unwrap().is_none());
}

#[tokio::test]
async fn an_unfinished_prediction_keeps_its_events_and_their_numbers() {
    let folder = Folder::new();
    let store = folder.open();
    let first = insert(&store, "first").await;
    let second = insert(&store, "second").await;
    store.begin(&first, &provenance()).await.unwrap();
    store.append(&first, start()).await;
    store.append(&first, frame(0, 10)).await;
    store.add_note(&first, "a note").await;
    store.record_cancel(&second).await.unwrap();
    store.close().await;
    drop(store);

    let store = folder.open();
    let found = store.recover().await.unwrap().unfinished;
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].attempts, found[1].attempts), (1, 0));
    assert!(found[1].prediction.is_cancel_requested());
    let again = &found[0].prediction;
    assert_eq!(again.snapshot(), first.snapshot());
    assert_eq!((again.next_event(), again.drawn_events()), (5, 3));
    store.append(again, frame(1, 10)).await;
    end(&store, again, Outcome::Succeeded).await;
    store.close().await;
    drop(store);

    let found = folder.open().find("first").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), again.snapshot());
    assert!(matches!(found.event(7), Ok(Some(Event::Completed(_)))));
}

#[tokio::test]
async fn a_suspended_attempt_does_not_count() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    store.begin(&prediction, &provenance()).await.unwrap();
    store.suspend(&prediction).await;
    store.close().await;
    drop(store);
    let found = folder.open().recover().await.unwrap().unfinished;
    assert_eq!(found[0].attempts, 0);
}

#[tokio::test]
async fn a_receiver_is_kept_until_it_has_its_last_message() {
    let folder = Folder::new();
    let store = folder.open();
    let first = store.insert(&with_receiver("same")).await.unwrap();
    end(&store, &first, Outcome::Succeeded).await;
    // The id is used again while the receiver still waits.
    let second = store.insert(&with_receiver("same")).await.unwrap();
    end(&store, &second, Outcome::Canceled).await;
    store.close().await;
    drop(store);

    let store = folder.open();
    let waiting = store.recover().await.unwrap().undelivered;
    let statuses: Vec<_> = waiting.iter().map(|one| one.prediction.status()).collect();
    assert_eq!(statuses, [Status::Succeeded, Status::Canceled]);
    let found = store.find("same").await.unwrap().unwrap();
    assert_eq!(found.status(), Status::Canceled);
    for prediction in [first, second] {
        store.record_delivery("same", prediction.created_at()).await;
    }
    store.close().await;
    drop(store);
    assert!(
        folder
            .open()
            .recover()
            .await
            .unwrap()
            .undelivered
            .is_empty()
    );
}

#[tokio::test]
async fn what_was_accepted_first_is_queued_first_although_the_clock_went_back() {
    let folder = Folder::new();
    let store = folder.open();
    for (id, seconds) in [("first", 300), ("second", 100), ("third", 200)] {
        let mut accepted = accepted(id, RestartPolicy::DrawAgain);
        accepted.job.created_at = Timestamp::from_second(seconds).unwrap();
        store.insert(&accepted).await.unwrap();
    }
    store.close().await;
    drop(store);
    let left = folder.open().recover().await.unwrap().unfinished;
    let order: Vec<_> = left.iter().map(|one| one.job.id.as_str()).collect();
    assert_eq!(order, ["first", "second", "third"]);
}

#[tokio::test]
async fn finished_predictions_are_kept_within_bounds_and_the_file_shrinks() {
    let folder = Folder::new();
    let noise: String = (0..400_000_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    let limits = Limits {
        remember: 3,
        ..LIMITS
    };
    let store = SqliteStore::open(&folder.file(), limits).unwrap();
    let waiting = store.insert(&with_receiver("waiting")).await.unwrap();
    end(&store, &waiting, Outcome::Succeeded).await;
    for number in 0..6 {
        let prediction = insert(&store, &format!("p{number}")).await;
        let output = Event::Output {
            index: 0,
            file: format!("{number}{noise}").into(),
        };
        store.append(&prediction, vec![output]).await;
        end(&store, &prediction, Outcome::Succeeded).await;
    }
    let ids = ids(&store, &ListQuery::default()).await;
    assert_eq!(ids, ["p5", "p4", "p3", "waiting"]);
    store.close().await;
    drop(store);
    let full = std::fs::metadata(folder.file()).unwrap().len();

    let limits = Limits {
        remember_bytes: 500_000,
        ..LIMITS
    };
    let store = SqliteStore::open(&folder.file(), limits).unwrap();
    assert!(store.find("p5").await.unwrap().is_some());
    // The writer looks after the file before it takes messages.
    store.close().await;
    assert!(store.find("p4").await.unwrap().is_none());
    drop(store);
    let less = std::fs::metadata(folder.file()).unwrap().len();
    assert!(less < full / 2, "{full} {less}");

    let limits = Limits {
        remember_for: Duration::ZERO,
        ..LIMITS
    };
    let store = SqliteStore::open(&folder.file(), limits).unwrap();
    assert!(store.find("p5").await.unwrap().is_none());
}

async fn ids(store: &SqliteStore, query: &ListQuery) -> Vec<String> {
    let page = store.list(query).await.unwrap();
    let states = page.predictions.iter();
    states.map(|state| state.id.to_string()).collect()
}

#[tokio::test]
async fn a_list_has_pages() {
    let folder = Folder::new();
    let store = folder.open();
    for number in 0..25 {
        let prediction = insert(&store, &format!("p{number:02}")).await;
        if number % 2 == 0 {
            store.append(&prediction, start()).await;
            end(&store, &prediction, Outcome::Succeeded).await;
        }
    }
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    for expected in [5, 5, 3] {
        let query = ListQuery {
            statuses: vec![Status::Succeeded],
            after,
            limit: 5,
        };
        let page = store.list(&query).await.unwrap();
        assert_eq!(page.predictions.len(), expected);
        seen.extend(page.predictions.iter().map(|state| state.id.to_string()));
        after = page.next;
        // What is added in between changes no page.
        insert(&store, &format!("new{expected}{}", seen.len())).await;
    }
    assert!(after.is_none());
    let expected = (0..25).rev().step_by(2).map(|n| format!("p{n:02}"));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    let all = ids(&store, &ListQuery::default()).await;
    assert_eq!(all.len(), 28);
}

#[tokio::test]
async fn the_next_process_knows_what_the_receiver_has_got_and_has_nothing_older() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = store.insert(&with_receiver("one")).await.unwrap();
    let ended = store.insert(&with_receiver("ended")).await.unwrap();
    end(&store, &ended, Outcome::Canceled).await;
    store.append(&prediction, start()).await;
    store.append(&prediction, frame(0, 10)).await;
    for (prediction, name) in [
        (&prediction, "one.0.output.1"),
        (&ended, "ended.0.completed"),
    ] {
        let recorded = store.record_message(prediction.id(), prediction.created_at(), name);
        recorded.await.unwrap();
    }
    // The process is killed here: what is read is what the disk has.
    let copied = Folder::new();
    for name in folder.names().iter().filter(|name| !name.ends_with("lock")) {
        let copy = copied.0.path().join(name);
        std::fs::copy(folder.0.path().join(name), copy).unwrap();
    }
    let leftovers = copied.open().recover().await.unwrap();
    let leftover = &leftovers.unfinished[0];
    assert_eq!(leftover.last_message.as_deref(), Some("one.0.output.1"));
    assert_eq!(leftover.prediction.snapshot(), prediction.snapshot());
    let undelivered = &leftovers.undelivered[0];
    assert_eq!(
        undelivered.last_message.as_deref(),
        Some("ended.0.completed")
    );
    store.close().await;
    let late = store.record_message("one", prediction.created_at(), "one.0.output.2");
    assert!(late.await.is_err(), "the next process sends it");
}
