//! The thread that writes: it commits many operations at once, and keeps those that must not be lost while the disk is
//! full.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::operation::{Operation, evict};
use crate::service::limits::Limits;
use crate::service::measure;

/// The maximum number of operations in one commit.
const MAX_BATCH: usize = 256;

/// How often the writer looks after the file when there is nothing to write: its age limit, its size, the room on the
/// disk, and whether a failed write succeeds by now.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// With less room on the disk in bytes nothing is accepted, so that accepted predictions can still be finished.
const MIN_FREE_BYTES: u64 = 1 << 20;

/// The size in bytes of what is written to try whether the disk has room again.
const PROBE_BYTES: i64 = 64 << 10;

/// Pages that are given back to the file system at once.
const VACUUM_PAGES: u32 = 2000;

/// Why an operation was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum WriteError {
    /// SQLite refuses it, or the disk does.
    #[error("{0}")]
    Failed(String),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
}

type Answer = oneshot::Sender<Result<Option<String>, WriteError>>;

/// What the writer is sent.
#[derive(Debug)]
enum Message {
    Write(Request),
    #[cfg(test)]
    LimitPages(i64, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Request {
    operation: Operation,
    answer: Option<Answer>,
}

/// Sends operations to the writer. Operations are written in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` after the store was closed.
    messages: Mutex<Option<Sender<Message>>>,
    fault: Arc<Mutex<Option<String>>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        path: PathBuf,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let (sender, messages) = mpsc::channel();
        let fault = Arc::default();
        let thread = WriterThread {
            connection,
            path,
            limits,
            backlog: VecDeque::new(),
            write_fault: None,
            fault: Arc::clone(&fault),
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.run(&messages))?;
        Ok(Self {
            messages: Mutex::new(Some(sender)),
            fault,
        })
    }

    /// Why nothing can be written at the moment.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.lock().clone()
    }

    /// Sends an operation without waiting for it.
    pub(super) fn send(&self, operation: Operation) {
        self.request(operation, None);
    }

    /// Waits until an operation is on the disk, and returns its result. A patient one may take long.
    pub(super) async fn write(&self, operation: Operation) -> Result<Option<String>, WriteError> {
        let (answer, result) = oneshot::channel();
        self.request(operation, Some(answer));
        result.await.unwrap_or(Err(WriteError::Closed))
    }

    fn request(&self, operation: Operation, answer: Option<Answer>) {
        if let Some(messages) = &*self.messages.lock() {
            // If the thread has ended, the answer is dropped, and whoever waits for it gets an error.
            let _ = messages.send(Message::Write(Request { operation, answer }));
        }
    }

    /// Limits the size of the file.
    #[cfg(test)]
    pub(super) async fn limit_pages(&self, pages: i64) {
        let (done, limited) = oneshot::channel();
        if let Some(messages) = &*self.messages.lock() {
            let _ = messages.send(Message::LimitPages(pages, done));
        }
        limited.await.unwrap();
    }

    /// Writes everything that was sent, and ends the thread.
    pub(super) async fn close(&self) {
        let Some(messages) = self.messages.lock().take() else {
            return;
        };
        let (closed, done) = oneshot::channel();
        if messages.send(Message::Close(closed)).is_ok() {
            let _ = done.await;
        }
    }
}

struct WriterThread {
    connection: Connection,
    path: PathBuf,
    limits: Limits,
    /// Patient operations that could not be written.
    backlog: VecDeque<Request>,
    /// Why the last write failed.
    write_fault: Option<String>,
    /// Why nothing can be written, for everybody.
    fault: Arc<Mutex<Option<String>>>,
}

impl WriterThread {
    fn run(mut self, messages: &Receiver<Message>) {
        self.look_after_file();
        let mut upkeep = Instant::now() + UPKEEP_INTERVAL;
        loop {
            let mut batch = Vec::new();
            let mut closing = None;
            let mut message =
                messages.recv_timeout(upkeep.saturating_duration_since(Instant::now()));
            loop {
                match message {
                    Ok(Message::Write(request)) => batch.push(request),
                    #[cfg(test)]
                    Ok(Message::LimitPages(pages, done)) => self.limit_pages(pages, done),
                    Ok(Message::Close(closed)) => closing = Some(closed),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        self.write(batch);
                        return;
                    }
                }
                if batch.len() >= MAX_BATCH || closing.is_some() {
                    break;
                }
                message = messages.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            self.write(batch);
            if let Some(closed) = closing {
                self.finish();
                let _ = closed.send(());
                return;
            }
            if upkeep <= Instant::now() {
                self.retry();
                self.look_after_file();
                upkeep = Instant::now() + UPKEEP_INTERVAL;
            }
        }
    }

    /// Writes requests after those that wait, which go first so that the order stays.
    fn write(&mut self, batch: Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        if self.backlog.is_empty() {
            self.commit(batch);
            return;
        }
        for request in batch {
            self.keep_or_refuse(request);
        }
    }

    /// Tries again what has failed.
    fn retry(&mut self) {
        if self.write_fault.is_none() {
            return;
        }
        while !self.backlog.is_empty() {
            let batch = self.backlog.drain(..self.backlog.len().min(MAX_BATCH));
            let batch: Vec<_> = batch.collect();
            if !self.commit(batch) {
                return;
            }
        }
        if self.write_fault.is_some() {
            match self.probe() {
                Ok(()) => self.succeed(),
                Err(cause) => self.fail(&cause),
            }
        }
    }

    /// Writes requests in one transaction. Returns false if the file cannot be written; patient requests are at the front
    /// of the backlog then, and the others have failed.
    fn commit(&mut self, batch: Vec<Request>) -> bool {
        let began = Instant::now();
        let results = match self.transaction(&batch) {
            Ok(results) => results,
            Err(cause) => {
                self.fail(&cause);
                let later = std::mem::take(&mut self.backlog);
                for request in batch {
                    self.keep_or_refuse(request);
                }
                self.backlog.extend(later);
                return false;
            }
        };
        measure::store_commit(batch.len(), began.elapsed());
        self.succeed();
        for (request, result) in batch.into_iter().zip(results) {
            if let Some(answer) = request.answer {
                let _ = answer.send(result);
            }
        }
        true
    }

    fn transaction(
        &self,
        batch: &[Request],
    ) -> rusqlite::Result<Vec<Result<Option<String>, WriteError>>> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let written = (|| {
            let mut results = Vec::with_capacity(batch.len());
            for request in batch {
                results.push(apply(&self.connection, &request.operation)?);
            }
            if batch
                .iter()
                .any(|request| request.operation.adds_finished())
            {
                evict(&self.connection, &self.limits)?;
            }
            self.connection.execute_batch("COMMIT")?;
            Ok(results)
        })();
        self.roll_back_if(written.is_err());
        written
    }

    fn roll_back_if(&self, failed: bool) {
        // Some failures have ended the transaction already.
        if failed
            && !self.connection.is_autocommit()
            && let Err(cause) = self.connection.execute_batch("ROLLBACK")
        {
            warn!(%cause, "a transaction of the store could not be rolled back");
        }
    }

    fn keep_or_refuse(&mut self, request: Request) {
        if request.operation.is_patient() {
            self.backlog.push_back(request);
        } else if let Some(answer) = request.answer {
            let reason = self.write_fault.clone();
            let reason = reason.unwrap_or_else(|| "earlier changes are waiting".to_owned());
            let _ = answer.send(Err(WriteError::Failed(reason)));
        }
    }

    /// Writes something and removes it again.
    fn probe(&self) -> rusqlite::Result<()> {
        let written = self.connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; INSERT INTO probe VALUES (randomblob({PROBE_BYTES})); COMMIT; DELETE FROM probe;"
        ));
        self.roll_back_if(written.is_err());
        written
    }

    fn fail(&mut self, cause: &rusqlite::Error) {
        measure::store_failure();
        let reason = cause.to_string();
        if self.write_fault.as_ref() != Some(&reason) {
            error!(%cause, store = %self.path.display(), "the store cannot write; nothing is accepted");
        }
        self.write_fault = Some(reason.clone());
        *self.fault.lock() = Some(reason);
    }

    fn succeed(&mut self) {
        if self.write_fault.take().is_some() {
            info!(store = %self.path.display(), "the store can write again");
            *self.fault.lock() = None;
        }
    }

    /// Removes what is too old, gives free pages back, and checks the room on the disk.
    fn look_after_file(&mut self) {
        if self.write_fault.is_none() {
            let kept = self.forget_old().and_then(|()| self.shrink());
            if let Err(cause) = kept {
                self.fail(&cause);
            }
        }
        if self.write_fault.is_none() {
            let lack = self.lack_of_room();
            let mut fault = self.fault.lock();
            if let Some(lack) = &lack
                && fault.is_none()
            {
                warn!(lack, store = %self.path.display(), "nothing is accepted for lack of room");
            }
            *fault = lack;
        }
    }

    fn forget_old(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN")?;
        let evicted = evict(&self.connection, &self.limits)
            .and_then(|_| self.connection.execute_batch("COMMIT"));
        self.roll_back_if(evicted.is_err());
        evicted
    }

    fn shrink(&self) -> rusqlite::Result<()> {
        let number = |pragma| {
            self.connection
                .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
        };
        if number("freelist_count")? > 0 {
            let vacuum = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            let mut vacuum = self.connection.prepare(&vacuum)?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        measure::store_bytes(number("page_count")? * number("page_size")?);
        Ok(())
    }

    fn lack_of_room(&self) -> Option<String> {
        let disk = statvfs(&self.path).ok()?;
        let free = disk.blocks_available() as u64 * disk.fragment_size() as u64;
        (free < MIN_FREE_BYTES).then(|| format!("only {free} bytes are free on its disk"))
    }

    #[cfg(test)]
    fn limit_pages(&self, pages: i64, done: oneshot::Sender<()>) {
        let limited =
            self.connection
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        limited.unwrap();
        let _ = done.send(());
    }

    fn finish(&mut self) {
        self.retry();
        if !self.backlog.is_empty() {
            let lost = self.backlog.len();
            warn!(lost, "the store cannot write what has happened last");
        }
        // The next start works without it too.
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.connection.query_row(checkpoint, [], |_| Ok(()));
    }
}

/// Applies one operation. The outer error means that nothing can be written; the inner one that only this operation failed,
/// and has changed nothing.
fn apply(
    connection: &Connection,
    operation: &Operation,
) -> rusqlite::Result<Result<Option<String>, WriteError>> {
    connection.execute_batch("SAVEPOINT operation")?;
    match operation.apply(connection) {
        Ok(result) => {
            connection.execute_batch("RELEASE operation")?;
            Ok(Ok(result))
        }
        Err(cause) if is_own_fault(&cause) => {
            connection.execute_batch("ROLLBACK TO operation; RELEASE operation")?;
            error!(%cause, "an operation of the store failed");
            Ok(Err(WriteError::Failed(cause.to_string())))
        }
        Err(cause) => Err(cause),
    }
}

/// Whether an error is the fault of one operation, and not of the disk.
fn is_own_fault(cause: &rusqlite::Error) -> bool {
    match cause.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
        ),
        None => true,
    }
}
