//! Files that are damaged, or of another program.

use std::path::Path;

use rusqlite::Connection;

use super::*;

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
    let foreign = folder.0.path().join("foreign");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE mine(x)").unwrap();
    drop(connection);
    let error = SqliteStore::open(&foreign, LIMITS).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }));
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
async fn what_cannot_be_read_costs_no_other_prediction() {
    let folder = Folder::new();
    let store = folder.open();
    for id in ["a", "b", "c"] {
        insert(&store, id).await;
        let ended = insert(&store, &format!("ended-{id}")).await;
        store.append(&ended, start()).await;
        end(&store, &ended, Outcome::Succeeded).await;
    }
    store.close().await;
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    for damage in [
        "UPDATE prediction SET last_message = CAST(x'ff' AS TEXT) WHERE id = 'a'",
        "UPDATE job SET data = '{' WHERE prediction = (SELECT key FROM prediction WHERE id = 'b')",
        "UPDATE prediction SET status = CAST(x'ff' AS TEXT) WHERE id = 'ended-a'",
        "UPDATE prediction SET shown = '{' WHERE id = 'ended-b'",
    ] {
        assert_eq!(connection.execute(damage, []).unwrap(), 1, "{damage}");
    }
    drop(connection);
    let store = folder.open();
    let unfinished = store.recover().await.unwrap().unfinished;
    let left: Vec<_> = unfinished.iter().map(|one| one.job.id.as_str()).collect();
    assert_eq!(left, ["c"]);
    assert_eq!(ids(&store, &ListQuery::default()).await, ["ended-c", "c"]);
    assert!(store.find("ended-c").await.unwrap().is_some());
}

#[tokio::test]
async fn neither_a_list_nor_a_finished_prediction_needs_its_job() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    store.append(&prediction, start()).await;
    store.append(&prediction, frame(0, 10)).await;
    end(&store, &prediction, Outcome::Succeeded).await;
    store.close().await;
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute("UPDATE job SET data = ''", []).unwrap();
    drop(connection);
    let store = folder.open();
    let page = store.list(&ListQuery::default()).await.unwrap();
    assert_eq!(page.predictions, [prediction.state_without_output()]);
    let found = store.find("one").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
}
