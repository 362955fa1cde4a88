//! The store in a file: what is found after it was opened again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{OpenError, SqliteStore, schema};
use crate::cog::Status;
use crate::inputs::Input;
use crate::output::Provenance;
use crate::service::accepted::{Accepted, Receiver, RestartPolicy};
use crate::service::event::Event;
use crate::service::job::{CancelPolicy, Destination, Job};
use crate::service::limits::Limits;
use crate::service::origin::Origin;
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
    let values = serde_json::json!({"prompt": "a house"});
    Accepted {
        job: Job {
            id: id.to_owned(),
            input: Input::from_values(values.as_object().unwrap()).unwrap(),
            notes: Vec::new(),
            destination: Destination::Inline,
            cancel_policy: CancelPolicy::OnRequest,
            created_at: Timestamp::now(),
            origin: Origin::default(),
        },
        restart_policy,
        receiver: None,
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
    let statuses: Vec<_> = waiting.iter().map(|(one, _)| one.status()).collect();
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
async fn two_stores_do_not_share_a_file() {
    let folder = Folder::new();
    let store = folder.open();
    let link = folder.0.path().join("link");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    for path in [folder.file(), link] {
        let second = SqliteStore::open(&path, LIMITS);
        assert!(matches!(second, Err(OpenError::InUse { .. })));
    }
    drop(store);
    folder.open();
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let damages: [fn(&Path); 2] = [
        |file| std::fs::write(file, "this is no database, but a text that is long enough").unwrap(),
        |file| {
            let mut bytes = std::fs::read(file).unwrap();
            for byte in &mut bytes[4096..] {
                *byte = 0x5a;
            }
            std::fs::write(file, bytes).unwrap();
        },
    ];
    for damage in damages {
        let folder = Folder::new();
        let store = folder.open();
        insert(&store, "one").await;
        store.close().await;
        drop(store);
        damage(&folder.file());
        let store = folder.open();
        assert!(store.find("one").await.unwrap().is_none());
        insert(&store, "two").await;
        let names = folder.names();
        let aside = names
            .iter()
            .filter(|name| name.contains(".damaged-"))
            .count();
        assert!(aside > 0, "{names:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    let store = folder.open();
    store.close().await;
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    connection
        .pragma_update(None, "user_version", schema::VERSION + 1)
        .unwrap();
    drop(connection);
    let error = SqliteStore::open(&folder.file(), LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }));
    assert!(error.to_string().contains("a later version of clipdraw"));
    let foreign = folder.0.path().join("foreign");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE mine(x)").unwrap();
    drop(connection);
    let error = SqliteStore::open(&foreign, LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }));
}

#[tokio::test]
async fn what_was_never_a_store_is_left_alone() {
    let folder = Folder::new();
    let notes = folder.0.path().join("notes.txt");
    std::fs::write(&notes, "milk, bread").unwrap();
    for _ in 0..2 {
        let error = SqliteStore::open(&notes, LIMITS).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }));
    }
    assert_eq!(std::fs::read(&notes).unwrap(), b"milk, bread");
    let error = SqliteStore::open(folder.0.path(), LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }));
    let numbered = folder.0.path().join("numbered");
    let connection = Connection::open(&numbered).unwrap();
    connection.pragma_update(None, "user_version", 77).unwrap();
    drop(connection);
    let error = SqliteStore::open(&numbered, LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }));
}

#[tokio::test]
async fn a_prediction_with_a_damaged_event_is_drawn_from_its_start() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    let events = || vec![Event::log("first"), Event::log("second")];
    store.append(&prediction, events()).await;
    store.close().await;
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    let damaged = connection.execute("UPDATE event SET data = x'00ff' WHERE number = 2", []);
    assert_eq!(damaged.unwrap(), 1);
    drop(connection);
    let store = folder.open();
    let leftovers = store.recover().await.unwrap();
    let [leftover] = &leftovers.unfinished[..] else {
        panic!("{leftovers:?}");
    };
    assert_eq!(leftover.prediction.drawn_events(), 0);
    store.append(&leftover.prediction, events()).await;
    store.close().await;
    drop(store);
    let leftovers = folder.open().recover().await.unwrap();
    assert_eq!(leftovers.unfinished[0].prediction.drawn_events(), 2);
}

#[tokio::test]
async fn the_previous_schema_is_upgraded() {
    let folder = Folder::new();
    let connection = Connection::open(folder.file()).unwrap();
    schema::create_version_1(&connection);
    let job = accepted("old", RestartPolicy::DrawAgain).job;
    connection
        .execute(
            "INSERT INTO prediction(id, created_at, status, job, draw_again, attempts)
             VALUES ('old', ?1, 'starting', ?2, 1, 2)",
            (
                job.created_at.as_nanosecond() as i64,
                serde_json::to_string(&job).unwrap(),
            ),
        )
        .unwrap();
    drop(connection);
    let store = folder.open();
    let found = store.recover().await.unwrap().unfinished;
    assert_eq!(found[0].job, job);
    assert_eq!(found[0].attempts, 2);
    end(&store, &found[0].prediction, Outcome::Succeeded).await;
    store.close().await;
    drop(store);
    let found = folder.open().find("old").await.unwrap().unwrap();
    assert_eq!(found.status(), Status::Succeeded);
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
async fn what_cannot_be_written_waits_and_nothing_new_is_accepted() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    let blocker = Connection::open(folder.file()).unwrap();
    let pages: i64 = blocker
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    drop(blocker);
    store.limit_pages(pages + 2).await;
    let noise: String = (0..200_000_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    let output = Event::Output {
        index: 0,
        file: noise.into(),
    };
    store.append(&prediction, vec![output]).await;
    let refused = store
        .insert(&accepted("two", RestartPolicy::DrawAgain))
        .await;
    assert!(refused.is_err());
    assert!(store.fault().is_some());
    assert!(store.unfinished("two").await.is_none());
    store.limit_pages(100_000).await;
    end(&store, &prediction, Outcome::Succeeded).await;
    assert!(store.fault().is_none());
    store.close().await;
    drop(store);
    let found = folder.open().find("one").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
}
