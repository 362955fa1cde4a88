//! Files of other versions of this program.

use rusqlite::{Connection, params};

use super::*;
use crate::service::outcome::Completion;
use crate::service::store::codec;
use crate::service::store::sqlite::schema;

/// A file of an earlier version, as that version has written it.
struct OldFile {
    connection: Connection,
    version: i64,
}

impl OldFile {
    fn create(path: &std::path::Path, version: i64) -> Self {
        let connection = Connection::open(path).unwrap();
        let wal = connection.pragma_update(None, "journal_mode", "WAL");
        wal.unwrap();
        schema::create_version(&connection, version);
        if version >= 3 {
            schema::keep_secret(&connection, &[7; 32]).unwrap();
        }
        Self {
            connection,
            version,
        }
    }

    /// Adds a prediction with its events, and returns how it has to look.
    fn add(&self, id: &str, receiver: Option<&str>, events: &[Event]) -> Prediction {
        let accepted = accepted(id, RestartPolicy::DrawAgain);
        let prediction = Prediction::accepted(&accepted, LIMITS.replay);
        prediction.apply(events.to_vec());
        let job = serde_json::to_string(&accepted.job).unwrap();
        let has_ended = prediction.status().is_terminal();
        let completed_at = has_ended.then_some(1_i64 << 62);
        self.execute(
            "INSERT INTO prediction(id, created_at, status, job, draw_again, attempts, completed_at, receiver, undelivered)
             VALUES (?1, ?2, ?3, ?4, 1, 2, ?5, ?6, ?6 IS NOT NULL)",
            params![
                id,
                accepted.job.created_at.as_nanosecond() as i64,
                prediction.status().as_str(),
                if self.version >= 4 { "" } else { &job },
                completed_at,
                receiver,
            ],
        );
        let key = self.connection.last_insert_rowid();
        if self.version >= 4 {
            let shown = serde_json::to_string(&prediction.shown_job()).unwrap();
            let insert = "INSERT INTO job(prediction, data) VALUES (?1, ?2)";
            self.execute(insert, params![key, job]);
            let update = "UPDATE prediction SET shown = ?2 WHERE key = ?1";
            self.execute(update, params![key, shown]);
        }
        for (number, event) in (1_i64..).zip(events) {
            let stored = codec::encode(event);
            let insert = "INSERT INTO event VALUES (?1, ?2, ?3, ?4)";
            self.execute(insert, params![key, number, stored.kind, stored.data]);
        }
        prediction
    }

    fn execute(&self, statement: &str, parameters: impl rusqlite::Params) {
        self.connection.execute(statement, parameters).unwrap();
    }
}

/// The first events of a drawing.
fn begun() -> Vec<Event> {
    [start(), frame(0, 1000)].concat()
}

/// All events of a drawing.
fn ended() -> Vec<Event> {
    let completion = Completion {
        outcome: Outcome::Succeeded,
        completed_at: Timestamp::now(),
        predict_time: 1.5,
    };
    [begun(), frame(1, 1000), Event::last(completion)].concat()
}

#[tokio::test]
async fn a_file_of_every_earlier_version_is_read_and_goes_on() {
    for version in 1..=schema::VERSION {
        let folder = Folder::new();
        let file = OldFile::create(&folder.file(), version);
        let waiting = file.add("waiting", None, &[]);
        let drawn = file.add("drawn", Some("somebody"), &begun());
        let done = file.add("done", None, &ended());
        let undelivered = file.add("undelivered", Some("somebody"), &ended());
        // The process was killed: the log is not in the file yet.
        drop(file);

        let store = folder.open();
        let secret = store.secret().await.unwrap().unwrap();
        let is_kept = secret.expose_bytes() == [7; 32];
        assert_eq!(is_kept, version >= 3, "{version}");
        let left = store.recover().await.unwrap();
        let unfinished: Vec<_> = left.unfinished.iter().map(|one| &one.prediction).collect();
        for (found, before) in unfinished.iter().zip([&waiting, &drawn]) {
            assert_eq!(found.snapshot(), before.snapshot(), "{version}");
            assert_eq!(found.next_event(), before.next_event(), "{version}");
        }
        assert_eq!((unfinished.len(), left.undelivered.len()), (2, 1));
        assert!(left.unfinished.iter().all(|one| one.attempts == 2));
        assert!(left.unfinished[1].receiver.is_some());
        assert_eq!(
            left.undelivered[0].prediction.snapshot(),
            undelivered.snapshot()
        );
        let all = ids(&store, &ListQuery::default()).await;
        assert_eq!(all, ["undelivered", "done", "drawn", "waiting"]);
        let again = Arc::clone(&left.unfinished[1].prediction);
        store.append(&again, frame(1, 1000)).await;
        end(&store, &again, Outcome::Succeeded).await;
        store.close().await;
        drop(store);

        let store = folder.open();
        let found = store.find("drawn").await.unwrap().unwrap();
        assert_eq!(found.snapshot(), again.snapshot(), "{version}");
        let found = store.find("done").await.unwrap().unwrap();
        assert_eq!(found.snapshot(), done.snapshot(), "{version}");
        assert_eq!(store.recover().await.unwrap().unfinished.len(), 1);
    }
}

#[tokio::test]
async fn an_event_of_an_unknown_kind_keeps_its_number_and_an_unknown_job_stays_in_the_file() {
    let folder = Folder::new();
    let store = folder.open();
    for id in ["events", "job"] {
        let prediction = insert(&store, id).await;
        store.append(&prediction, begun()).await;
    }
    store.close().await;
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    let key = |id: &str| format!("prediction = (SELECT key FROM prediction WHERE id = '{id}')");
    let execute = |statement: &str| assert_eq!(connection.execute(statement, []).unwrap(), 1);
    let insert = "INSERT INTO event SELECT prediction, 4, 'preview', x'00ff' FROM event";
    execute(&format!("{insert} WHERE number = 3 AND {}", key("events")));
    let field = "json_set(data, '$.input.new_input', 1)";
    execute(&format!(
        "UPDATE job SET data = {field} WHERE {}",
        key("job")
    ));

    let store = folder.open();
    let left = store.recover().await.unwrap().unfinished;
    let [left] = &left[..] else {
        panic!("{left:?}");
    };
    let prediction = Arc::clone(&left.prediction);
    assert_eq!((prediction.id(), prediction.next_event()), ("events", 5));
    store.append(&prediction, frame(1, 10)).await;
    end(&store, &prediction, Outcome::Succeeded).await;
    store.close().await;
    drop(store);
    let field = "json_remove(data, '$.input.new_input')";
    execute(&format!(
        "UPDATE job SET data = {field} WHERE {}",
        key("job")
    ));
    drop(connection);

    // The newer version is back.
    let store = folder.open();
    let left = store.recover().await.unwrap().unfinished;
    assert_eq!(left[0].prediction.id(), "job");
    let found = store.find("events").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
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
    let before = std::fs::read(folder.file()).unwrap();
    let error = SqliteStore::open(&folder.file(), LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }));
    let (text, file) = (error.to_string(), folder.file());
    assert!(text.contains("a later version of clipdraw"), "{text}");
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert_eq!(std::fs::read(file).unwrap(), before);
}
