//! A disk without room: what can be read, what waits, and what happens once there is room.

use std::future::Future;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tokio::time::{sleep, timeout};

use super::*;
use crate::service::store::sqlite::schema;

/// The maximum time for what does not wait for room.
const SOON: Duration = Duration::from_secs(10);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("it waits for room")
}

async fn wait_for_room(store: &SqliteStore) {
    soon(async {
        while store.fault().is_some() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// A file that cannot be compressed.
fn noise() -> Event {
    let noise: String = (0..200_000_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    Event::Output {
        index: 0,
        file: noise.into(),
    }
}

/// Lets the file grow by two pages only.
async fn limit(store: &SqliteStore, folder: &Folder) {
    let beside = Connection::open(folder.file()).unwrap();
    let pages: i64 = beside
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    drop(beside);
    store.limit_pages(pages + 2).await;
}

#[tokio::test]
async fn what_cannot_be_written_waits_and_nothing_new_is_accepted() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    limit(&store, &folder).await;
    store.append(&prediction, vec![noise()]).await;
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

#[tokio::test]
async fn a_request_to_cancel_and_the_end_that_it_leads_to_need_no_room() {
    let folder = Folder::new();
    let store = folder.open();
    let prediction = insert(&store, "one").await;
    let other = insert(&store, "other").await;
    store.append(&prediction, start()).await;
    limit(&store, &folder).await;
    store.append(&prediction, vec![noise()]).await;
    for cancelled in [&prediction, &other] {
        soon(store.record_cancel(cancelled)).await.unwrap();
    }
    soon(end(&store, &prediction, Outcome::Canceled)).await;
    assert!(store.fault().is_some());
    assert!(store.unfinished("one").await.is_none());
    assert_eq!(store.all_unfinished().await.len(), 1);
    let found = store.find("one").await.unwrap().unwrap();
    assert_eq!(found.status(), Status::Canceled);
    let canceled = ListQuery {
        statuses: vec![Status::Canceled],
        ..ListQuery::default()
    };
    assert_eq!(ids(&store, &canceled).await, ["one"]);
    // A result must not be lost, so this end waits.
    let completion = other.completion(Outcome::Succeeded);
    let waits = timeout(
        Duration::from_millis(300),
        store.record_end(&other, &completion),
    );
    assert!(waits.await.is_err());

    store.limit_pages(100_000).await;
    wait_for_room(&store).await;
    assert_eq!(ids(&store, &canceled).await, ["one"]);
    store.close().await;
    drop(store);
    let store = folder.open();
    let found = store.find("one").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
    let found = store.find("other").await.unwrap().unwrap();
    assert_eq!(found.status(), Status::Succeeded);
}

#[tokio::test]
async fn the_end_of_a_prediction_whose_caller_waits_on_a_connection_needs_no_room() {
    let folder = Folder::new();
    let store = folder.open();
    let accepted = accepted("one", RestartPolicy::Cancel);
    let prediction = store.insert(&accepted).await.unwrap();
    limit(&store, &folder).await;
    store.append(&prediction, vec![noise()]).await;
    soon(end(&store, &prediction, Outcome::Succeeded)).await;
    let found = store.find("one").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), prediction.snapshot());
    store.limit_pages(100_000).await;
    wait_for_room(&store).await;
    // The id can be used again.
    insert(&store, "one").await;
}

/// A small file system in memory, if this user may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    #[expect(clippy::print_stdout, reason = "a test that does nothing says why")]
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            println!("skipped: this user may not mount a file system");
            return None;
        }
        Some(Self(folder))
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.store(), LIMITS).unwrap()
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Takes all room.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let mut written = Ok(());
        while written.is_ok() {
            written = std::io::Write::write_all(&mut file, &[0x5a; 4096]);
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn secret_of(store: &SqliteStore) -> Vec<u8> {
    let secret = store.secret().await.unwrap().unwrap();
    secret.expose_bytes().to_vec()
}

/// Opens a store on a full disk, with `known` predictions, and makes room.
async fn open_without_room(disk: &SmallDisk, known: &[&str]) -> SqliteStore {
    let store = disk.open();
    assert!(store.fault().is_some());
    assert_eq!(ids(&store, &ListQuery::default()).await, known);
    for id in known {
        assert!(store.find(id).await.unwrap().is_some(), "{id}");
    }
    let new = accepted("new", RestartPolicy::DrawAgain);
    assert!(soon(store.insert(&new)).await.is_err());
    store
}

#[tokio::test]
async fn a_store_on_a_full_disk_is_read_and_written_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let store = disk.open();
    let ended = insert(&store, "ended").await;
    store.append(&ended, start()).await;
    end(&store, &ended, Outcome::Succeeded).await;
    insert(&store, "waiting").await;
    insert(&store, "cancelled").await;
    let secret = secret_of(&store).await;
    store.close().await;
    drop(store);
    disk.fill();
    let known = ["cancelled", "waiting", "ended"];
    let store = open_without_room(&disk, &known).await;
    assert_eq!(secret_of(&store).await, secret);
    let left = store.recover().await.unwrap().unfinished;
    let cancelled = Arc::clone(&left[1].prediction);
    soon(store.record_cancel(&cancelled)).await.unwrap();
    soon(end(&store, &cancelled, Outcome::Canceled)).await;
    sleep(Duration::from_millis(2500)).await;
    assert!(store.fault().is_some(), "there is still no room");
    assert!(store.find("ended").await.unwrap().is_some());
    disk.make_room();
    wait_for_room(&store).await;
    insert(&store, "new").await;
    let found = store.find("ended").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), ended.snapshot());
    store.close().await;
    drop(store);
    let store = disk.open();
    let all = ids(&store, &ListQuery::default()).await;
    assert_eq!(all, ["new", "cancelled", "waiting", "ended"]);
    let left = store.recover().await.unwrap().unfinished;
    assert_eq!(left.len(), 2);
}

#[tokio::test]
async fn a_new_store_on_a_full_disk_begins_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    disk.fill();
    let store = open_without_room(&disk, &[]).await;
    let secret = secret_of(&store).await;
    disk.make_room();
    wait_for_room(&store).await;
    insert(&store, "new").await;
    store.close().await;
    drop(store);
    let store = disk.open();
    assert_eq!(secret_of(&store).await, secret);
    assert!(store.find("new").await.unwrap().is_some());
}

#[tokio::test]
async fn an_earlier_schema_on_a_full_disk_is_read_as_if_it_were_upgraded() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    create_version_1(&disk.store(), "old");
    disk.fill();
    let store = open_without_room(&disk, &["old"]).await;
    let left = store.recover().await.unwrap().unfinished;
    assert_eq!(left[0].attempts, 2);
    let secret = secret_of(&store).await;
    disk.make_room();
    wait_for_room(&store).await;
    end(&store, &left[0].prediction, Outcome::Succeeded).await;
    store.close().await;
    drop(store);
    let store = disk.open();
    assert_eq!(secret_of(&store).await, secret);
    let found = store.find("old").await.unwrap().unwrap();
    assert_eq!(found.status(), Status::Succeeded);
}

/// A file of the first version with one unfinished prediction.
fn create_version_1(path: &Path, id: &str) {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    schema::create_version(&connection, 1);
    let job = accepted(id, RestartPolicy::DrawAgain).job;
    let values = (
        id,
        job.created_at.as_nanosecond() as i64,
        serde_json::to_string(&job).unwrap(),
    );
    let inserted = connection.execute(
        "INSERT INTO prediction(id, created_at, status, job, draw_again, attempts)
         VALUES (?1, ?2, 'starting', ?3, 1, 2)",
        values,
    );
    assert_eq!(inserted.unwrap(), 1);
}
