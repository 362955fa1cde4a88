//! [`LocalInputFiles`].

use std::collections::HashMap;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::folder::Folder;
use super::interface::{InputFile, InputFileError, InputFileLimits, InputFileStore, NewInputFile};
use super::room::check_room;
use crate::service::store::StoreError;

/// Files of one process, in memory or in a folder. What is known of them is in memory in any case.
#[derive(Debug)]
pub struct LocalInputFiles {
    limits: InputFileLimits,
    files: Mutex<HashMap<String, Kept>>,
    folder: Option<Folder>,
    /// Held while a file is written, so that the room that was checked is still there.
    adding: AsyncMutex<()>,
}

#[derive(Debug, Clone)]
struct Kept {
    file: InputFile,
    /// The content, if there is no folder.
    content: Option<Bytes>,
}

impl LocalInputFiles {
    /// Files in memory.
    pub fn in_memory(limits: InputFileLimits) -> Self {
        Self {
            limits,
            files: Mutex::default(),
            folder: None,
            adding: AsyncMutex::default(),
        }
    }

    /// Files in a folder, which is made when it is needed. Those that are there already are kept on.
    pub fn open(folder: PathBuf, limits: InputFileLimits) -> Self {
        let folder = Folder::new(folder);
        let kept = folder.list().into_iter().map(|file| {
            let content = None;
            (file.id.clone(), Kept { file, content })
        });
        Self {
            files: Mutex::new(kept.collect()),
            folder: Some(folder),
            ..Self::in_memory(limits)
        }
    }

    fn kept(&self, id: &str) -> Option<Kept> {
        let files = self.files.lock();
        files
            .get(id)
            .filter(|kept| !kept.file.has_expired())
            .cloned()
    }

    /// Removes a file from the folder, if there is one.
    async fn delete(&self, id: &str) -> Result<(), StoreError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let id = id.to_owned();
        let removed = spawn_blocking(move || folder.remove(&id)).await;
        removed.map_err(StoreError::new)?.map_err(StoreError::new)
    }

    async fn write(&self, file: &InputFile, content: Bytes) -> Result<Kept, StoreError> {
        let kept = |content| Kept {
            file: file.clone(),
            content,
        };
        let Some(folder) = self.folder.clone() else {
            return Ok(kept(Some(content)));
        };
        let written = file.clone();
        let written = spawn_blocking(move || folder.write(&written, &content)).await;
        written.map_err(StoreError::new)?.map_err(StoreError::new)?;
        Ok(kept(None))
    }
}

#[async_trait]
impl InputFileStore for LocalInputFiles {
    fn limits(&self) -> InputFileLimits {
        self.limits
    }

    async fn add(&self, file: NewInputFile) -> Result<InputFile, InputFileError> {
        let _adding = self.adding.lock().await;
        self.remove_expired().await;
        let added = InputFile::new(&file, self.limits.keep_for).await;
        let added = added.map_err(InputFileError::Unavailable)?;
        {
            let files = self.files.lock();
            let bytes = files.values().map(|kept| kept.file.length).sum();
            check_room(self.limits, files.len(), bytes, added.length)?;
        }
        let kept = self.write(&added, file.content).await;
        let kept = kept.map_err(InputFileError::Unavailable)?;
        self.files.lock().insert(added.id.clone(), kept);
        Ok(added)
    }

    async fn find(&self, id: &str) -> Result<Option<InputFile>, StoreError> {
        Ok(self.kept(id).map(|kept| kept.file))
    }

    async fn read(&self, id: &str) -> Result<Option<(InputFile, Bytes)>, StoreError> {
        let Some(Kept { file, content }) = self.kept(id) else {
            return Ok(None);
        };
        let content = match (content, self.folder.clone()) {
            (Some(content), _) => content,
            (None, Some(folder)) => {
                let id = id.to_owned();
                let read = spawn_blocking(move || folder.read(&id)).await;
                read.map_err(StoreError::new)?.map_err(StoreError::new)?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some((file, content)))
    }

    async fn list(&self) -> Result<Vec<InputFile>, StoreError> {
        let files = self.files.lock();
        let kept = files.values().filter(|kept| !kept.file.has_expired());
        let mut list: Vec<_> = kept.map(|kept| kept.file.clone()).collect();
        list.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(list)
    }

    async fn remove(&self, id: &str) -> Result<bool, StoreError> {
        let Some(kept) = self.kept(id) else {
            return Ok(false);
        };
        self.delete(&kept.file.id).await?;
        Ok(self.files.lock().remove(id).is_some())
    }

    async fn remove_expired(&self) {
        let expired: Vec<String> = {
            let files = self.files.lock();
            let expired = files.values().filter(|kept| kept.file.has_expired());
            expired.map(|kept| kept.file.id.clone()).collect()
        };
        for id in expired {
            // One that cannot be removed is tried again later; it still counts.
            match self.delete(&id).await {
                Ok(()) => drop(self.files.lock().remove(&id)),
                Err(error) => warn!(%error, id, "a file that has expired cannot be removed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use serde_json::Map;

    use super::*;

    fn file(content: &'static str) -> NewInputFile {
        NewInputFile {
            name: "a.svg".to_owned(),
            media_type: "image/svg+xml".to_owned(),
            metadata: Map::new(),
            content: content.into(),
        }
    }

    fn open(folder: &Path) -> LocalInputFiles {
        LocalInputFiles::open(folder.to_owned(), InputFileLimits::default())
    }

    #[tokio::test]
    async fn files_in_a_folder_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("store.files");
        let files = open(&folder);
        assert!(!folder.exists(), "no folder without a file");
        let kept = files.add(file("<svg/>\n<!-- a line -->")).await.unwrap();
        let removed = files.add(file("removed")).await.unwrap();
        assert!(files.remove(&removed.id).await.unwrap());
        assert!(!files.remove(&removed.id).await.unwrap());
        let again = open(&folder);
        assert_eq!(again.list().await.unwrap(), std::slice::from_ref(&kept));
        let (found, content) = again.read(&kept.id).await.unwrap().unwrap();
        assert_eq!(
            (found, &content[..]),
            (kept, &b"<svg/>\n<!-- a line -->"[..])
        );
    }

    #[tokio::test]
    async fn what_a_crash_leaves_unfinished_is_removed_and_what_is_damaged_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let files = open(folder.path());
        let whole = files.add(file("whole")).await.unwrap();
        let cut = files.add(file("cut off")).await.unwrap();
        let cut = folder.path().join(cut.id);
        let bytes = fs::read(&cut).unwrap();
        fs::write(&cut, &bytes[..bytes.len() - 3]).unwrap();
        let partial = folder.path().join(format!("{}.partial", whole.id));
        fs::write(&partial, "x").unwrap();
        fs::write(folder.path().join("notes.txt"), "of somebody else").unwrap();
        let again = open(folder.path());
        assert_eq!(again.list().await.unwrap(), [whole]);
        assert!(!partial.exists());
        assert!(folder.path().join("notes.txt").exists());
    }

    #[tokio::test]
    async fn files_that_have_expired_are_removed_from_the_folder_and_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let limits = InputFileLimits {
            total_bytes: 10,
            keep_for: Duration::from_millis(50),
        };
        let files = LocalInputFiles::open(folder.path().to_owned(), limits);
        let old = files.add(file("12345678")).await.unwrap();
        let refused = files.add(file("12345678")).await;
        assert!(matches!(refused, Err(InputFileError::NoRoom { limit: 10 })));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(files.find(&old.id).await.unwrap().is_none());
        files.remove_expired().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        files.add(file("12345678")).await.unwrap();
    }
}
