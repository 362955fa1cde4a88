//! Names of the file: two servers on one, and a file that somebody removes.

use super::*;

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
async fn a_file_with_two_names_is_refused_because_its_log_has_only_one() {
    let folder = Folder::new();
    let store = folder.open();
    insert(&store, "one").await;
    let link = folder.0.path().join("hard link");
    std::fs::hard_link(folder.file(), &link).unwrap();
    for _ in 0..2 {
        let error = SqliteStore::open(&link, LIMITS).unwrap_err();
        let OpenError::Io { cause, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(cause.to_string().contains("hard links"), "{cause}");
    }
    // The process is killed.
    drop(store);
    assert!(SqliteStore::open(&folder.file(), LIMITS).is_err());
    std::fs::remove_file(link).unwrap();
    let left = folder.open().recover().await.unwrap().unfinished;
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn nothing_is_accepted_in_a_file_that_was_removed_or_replaced_while_it_is_used() {
    let folder = Folder::new();
    let store = folder.open();
    let before = insert(&store, "before").await;
    let file = folder.file();
    let elsewhere = folder.0.path().join("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    for _ in 0..2 {
        let new = accepted("new", RestartPolicy::DrawAgain);
        assert!(store.insert(&new).await.is_err());
        // What was accepted goes on.
        store.append(&before, frame(0, 10)).await;
        std::fs::write(&file, "").unwrap();
    }
    while store.fault().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fault = store.fault().unwrap();
    assert!(fault.contains("replaced"), "{fault}");
    std::fs::rename(&elsewhere, &file).unwrap();
    insert(&store, "new").await;
    while store.fault().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end(&store, &before, Outcome::Succeeded).await;
    store.close().await;
    drop(store);
    let found = folder.open().find("before").await.unwrap().unwrap();
    assert_eq!(found.snapshot(), before.snapshot());
}
