//! [`SqliteStore`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;
use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use tracing::{Instrument, info, warn};

use super::connect::Connections;
use super::list::list;
use super::lock::{StoreLock, beside};
use super::message::{StoreFile, WriteError};
use super::open::{OpenError, OpenFile, open};
use super::operation::{Change, End, Identity, NewRow, Operation, nanoseconds, oldest_kept};
use super::read::{self, Extent, ReadError};
use super::writer::Writer;
use crate::errors::chain;
use crate::output::Provenance;
use crate::secret::Secret;
use crate::service::accepted::{Accepted, RestartPolicy};
use crate::service::event::Event;
use crate::service::limits::Limits;
use crate::service::outcome::{Completion, Outcome};
use crate::service::prediction::Prediction;
use crate::service::store::codec;
use crate::service::store::{InsertError, Leftovers, ListQuery, Page, Store, StoreError};

/// A store in a file of SQLite, which outlives the process.
///
/// Unfinished predictions are kept in memory as well, and those whose end waits for room on the disk. Other finished ones are
/// read from the file when somebody asks for them.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    limits: Limits,
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    unfinished: Arc<Mutex<HashMap<String, Unfinished>>>,
    /// What earlier processes have left, until it is recovered.
    leftovers: Mutex<Leftovers>,
    /// The secret of the server.
    secret: SecretSlice<u8>,
    _lock: StoreLock,
}

/// A prediction that has no recorded end.
#[derive(Debug, Clone)]
struct Unfinished {
    prediction: Arc<Prediction>,
    /// Held while events get their numbers and are sent to the writer, so that the file has them under the numbers that
    /// clients see.
    numbering: Arc<AsyncMutex<()>>,
    /// Whether an attempt of this process to draw it is recorded.
    is_begun: bool,
}

impl Unfinished {
    fn new(prediction: Arc<Prediction>) -> Self {
        Self {
            prediction,
            numbering: Arc::default(),
            is_begun: false,
        }
    }

    /// Whether it has no end yet. An end that waits for room on the disk is one.
    fn is_unfinished(&self) -> bool {
        !self.prediction.status().is_terminal()
    }
}

impl SqliteStore {
    /// Opens a file, or creates it with its folder. A damaged file is renamed, with a message in the log, and replaced by
    /// an empty one. A file on a full disk is read, and written once there is room. This may take a while, so it does not
    /// belong on a thread of a runtime.
    ///
    /// # Errors
    /// When another server uses the file, a later version or another program has written it, or it cannot be read or
    /// written.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        let OpenFile {
            path,
            connections,
            found: leftovers,
            lock,
        } = open(path, |reader| {
            Ok(Leftovers {
                unfinished: read::unfinished(reader, limits.replay)?,
                undelivered: read::undelivered(reader, limits.replay)?,
            })
        })?;
        let Connections {
            writer,
            reader,
            secret,
        } = connections;
        let reader = Arc::new(Mutex::new(reader));
        let unfinished = leftovers.unfinished.iter().map(|leftover| {
            let prediction = Arc::clone(&leftover.prediction);
            (prediction.id().to_owned(), Unfinished::new(prediction))
        });
        let unfinished: HashMap<_, _> = unfinished.collect();
        let file = StoreFile {
            path: path.clone(),
            connection: writer,
            reader: Arc::clone(&reader),
            secret: secret.clone().into(),
        };
        let writer = Writer::start(file, limits).map_err(|cause| OpenError::Io {
            path: path.clone(),
            cause,
        })?;
        info!(store = %path.display(), "predictions are kept in a file");
        Ok(Self {
            path,
            limits,
            writer,
            reader,
            unfinished: Arc::new(Mutex::new(unfinished)),
            leftovers: Mutex::new(leftovers),
            secret: secret.into(),
            _lock: lock,
        })
    }

    /// Limits the size of the file.
    #[cfg(test)]
    pub(super) async fn limit_pages(&self, pages: i64) {
        self.writer.limit_pages(pages).await;
    }

    /// Runs a query on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        let read = spawn_blocking(move || query(&reader.lock())).await;
        read.map_err(StoreError::new)?.map_err(StoreError::new)
    }

    /// The unfinished prediction behind a handle.
    fn entry(&self, prediction: &Prediction) -> Option<Unfinished> {
        let unfinished = self.unfinished.lock();
        let found = unfinished.get(prediction.id()).cloned();
        found.filter(|entry| entry.prediction.created_at() == prediction.created_at())
    }

    /// Keeps everybody else from giving events of a prediction their numbers.
    async fn numbering(&self, prediction: &Prediction) -> Option<OwnedMutexGuard<()>> {
        let entry = self.entry(prediction)?;
        Some(entry.numbering.lock_owned().await)
    }

    /// Writes a patient operation. If the disk has no room, it is written later, and this does not wait for that.
    async fn write_or_keep(&self, operation: Operation) -> Result<(), StoreError> {
        tokio::select! {
            biased;
            written = self.writer.write(operation) => written.map(drop).map_err(StoreError::new),
            () = self.writer.cannot_write() => Ok(()),
        }
    }

    async fn try_write(&self, operation: Operation) -> Result<Option<String>, StoreError> {
        self.writer.write(operation).await.map_err(StoreError::new)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, accepted: &Accepted) -> Result<Arc<Prediction>, InsertError> {
        let job = &accepted.job;
        if let Some(unfinished) = self.unfinished(&job.id).await {
            return Err(InsertError::Unfinished(unfinished));
        }
        let text = serde_json::to_string(job)
            .map_err(|error| InsertError::Unavailable(StoreError::new(error)))?;
        let prediction = Arc::new(Prediction::accepted(accepted, self.limits.replay));
        let shown = serde_json::to_string(&prediction.shown_job())
            .map_err(|error| InsertError::Unavailable(StoreError::new(error)))?;
        let receiver = accepted.receiver.as_ref();
        let insert = Operation {
            identity: Identity::new(&job.id, job.created_at),
            change: Change::Insert(NewRow {
                job: text,
                shown,
                draw_again: accepted.restart_policy == RestartPolicy::DrawAgain,
                receiver: receiver.map(|receiver| receiver.as_str().to_owned()),
            }),
        };
        let written = self.try_write(insert).await;
        written.map_err(InsertError::Unavailable)?;
        let entry = Unfinished::new(Arc::clone(&prediction));
        self.unfinished.lock().insert(job.id.clone(), entry);
        Ok(prediction)
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError> {
        if let Some(entry) = self.unfinished.lock().get(id) {
            return Ok(Some(Arc::clone(&entry.prediction)));
        }
        let id = id.to_owned();
        let limits = self.limits;
        self.read(move |from| {
            let stored = read::find(from, &id)?;
            let stored = stored.filter(|stored| {
                stored.is_finished() && !stored.ended_before(oldest_kept(limits.remember_for))
            });
            stored
                .map(|stored| stored.finished(from, limits.replay, Extent::All))
                .transpose()
        })
        .await
    }

    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>> {
        let unfinished = self.unfinished.lock();
        let found = unfinished.get(id).filter(|entry| entry.is_unfinished());
        found.map(|entry| Arc::clone(&entry.prediction))
    }

    async fn all_unfinished(&self) -> Vec<Arc<Prediction>> {
        let unfinished = self.unfinished.lock();
        let entries = unfinished.values().filter(|entry| entry.is_unfinished());
        entries.map(|entry| Arc::clone(&entry.prediction)).collect()
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        let limits = self.limits;
        let unfinished: HashMap<String, Arc<Prediction>> = {
            let unfinished = self.unfinished.lock();
            let entries = unfinished.iter();
            entries
                .map(|(id, entry)| (id.clone(), Arc::clone(&entry.prediction)))
                .collect()
        };
        self.read(move |from| list(from, &query, &limits, &unfinished))
            .await
    }

    async fn append(&self, prediction: &Arc<Prediction>, events: Vec<Event>) {
        let (events, stored) = codec::encode_all(events).await;
        let _numbering = self.numbering(prediction).await;
        // From here on nothing waits: what gets a number is sent, even if this future is dropped.
        let change = Change::Events {
            first: prediction.next_event(),
            events: stored,
        };
        self.writer.send(Operation::on(prediction, change));
        prediction.apply(events);
    }

    async fn record_end(&self, prediction: &Arc<Prediction>, completion: &Completion) {
        let events: Vec<_> = Event::last(completion.clone());
        {
            let _numbering = self.numbering(prediction).await;
            prediction.seal();
        }
        let end = Change::End {
            first: prediction.next_event(),
            events: events.iter().map(codec::encode).collect(),
            end: End {
                status: completion.outcome.status(),
                completed_at: nanoseconds(completion.completed_at),
                output_bytes: prediction.output_bytes(),
            },
        };
        // No result is lost with these, so they need not wait for room on the disk.
        let may_be_kept = completion.outcome == Outcome::Canceled
            || prediction.restart_policy() == RestartPolicy::Cancel;
        let written = self.writer.write(Operation::on(prediction, end));
        let recording = record(
            written,
            Arc::clone(prediction),
            Arc::clone(&self.unfinished),
        );
        let mut recording = tokio::spawn(recording.in_current_span());
        tokio::select! {
            biased;
            _ = &mut recording => {}
            () = self.writer.cannot_write(), if may_be_kept => {}
        }
    }

    async fn publish_end(&self, prediction: &Arc<Prediction>, completion: Completion) {
        prediction.apply(Event::last(completion));
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn fault(&self) -> Option<String> {
        self.writer.fault()
    }

    async fn secret(&self) -> Result<Option<Secret>, StoreError> {
        Ok(Secret::from_bytes(self.secret.expose_secret().to_vec()))
    }

    fn folder(&self) -> Option<PathBuf> {
        Some(beside(&self.path, "files"))
    }

    async fn recover(&self) -> Result<Leftovers, StoreError> {
        Ok(std::mem::take(&mut *self.leftovers.lock()))
    }

    async fn begin(&self, prediction: &Arc<Prediction>, by: &Provenance) -> Result<(), StoreError> {
        let provenance = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), by));
        let provenance = provenance.map_err(StoreError::new)?;
        let begin = Change::Begin {
            provenance: provenance.clone(),
        };
        let before = self.try_write(Operation::on(prediction, begin)).await?;
        if let Some(entry) = self.unfinished.lock().get_mut(prediction.id()) {
            entry.is_begun = true;
        }
        if let Some(before) = before.filter(|before| *before != provenance) {
            warn!(
                id = prediction.id(),
                before,
                now = provenance,
                "a prediction is drawn again by another version, model or device; its frames may differ from those before"
            );
        }
        Ok(())
    }

    async fn add_note(&self, prediction: &Arc<Prediction>, line: &str) {
        let numbering = self.numbering(prediction).await;
        let is_event = numbering.is_some() && prediction.takes_events();
        let note = Change::Note {
            number: is_event.then(|| prediction.next_event()),
            event: codec::note(line),
        };
        // A client that has seen the number must find what follows it after a restart too, so the note is on the disk
        // before it is visible.
        match self.writer.write(Operation::on(prediction, note)).await {
            Ok(_) => prediction.add_note(line),
            Err(error) => warn!(%error, line, "a note is not recorded"),
        }
    }

    async fn draw_again(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        if prediction.restart_policy() == RestartPolicy::Cancel {
            self.try_write(Operation::on(prediction, Change::DrawAgain))
                .await?;
            prediction.set_drawn_again();
        }
        Ok(())
    }

    async fn record_cancel(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        self.write_or_keep(Operation::on(prediction, Change::Cancel))
            .await
    }

    async fn suspend(&self, prediction: &Arc<Prediction>) {
        let is_begun = self.entry(prediction).is_some_and(|entry| entry.is_begun);
        if is_begun {
            let take_back = Operation::on(prediction, Change::TakeBack);
            let written = self.write_or_keep(take_back).await;
            if let Err(error) = written {
                warn!(
                    error = chain(&error),
                    "an attempt to draw a prediction counts"
                );
            }
        }
        self.unfinished.lock().remove(prediction.id());
    }

    async fn record_message(
        &self,
        id: &str,
        created_at: Timestamp,
        name: &str,
    ) -> Result<(), StoreError> {
        let message = Operation {
            identity: Identity::new(id, created_at),
            change: Change::Message {
                name: name.to_owned(),
            },
        };
        match self.writer.write(message).await {
            Err(error @ WriteError::Closed) => Err(error.into()),
            // Only this message cannot be recorded.
            Ok(_) | Err(WriteError::Failed(_)) => Ok(()),
        }
    }

    async fn record_delivery(&self, id: &str, created_at: Timestamp) {
        self.writer.send(Operation {
            identity: Identity::new(id, created_at),
            change: Change::Delivered,
        });
    }

    async fn close(&self) {
        self.writer.close().await;
    }
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        Self::new(error)
    }
}

/// Waits until the end of a prediction is written. It is not unfinished any more then.
async fn record(
    written: impl Future<Output = Result<Option<String>, WriteError>>,
    prediction: Arc<Prediction>,
    unfinished: Arc<Mutex<HashMap<String, Unfinished>>>,
) {
    let id = prediction.id();
    if let Err(error) = written.await {
        warn!(%error, id, "the end of a prediction is not recorded");
    }
    let mut unfinished = unfinished.lock();
    // A later prediction may have the same id.
    if unfinished
        .get(id)
        .is_some_and(|entry| entry.prediction.created_at() == prediction.created_at())
    {
        unfinished.remove(id);
    }
}
