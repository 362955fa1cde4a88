//! The thread that writes: it commits many operations at once, and keeps those that must not be lost while the disk is
//! full.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::connect::{ConnectError, connect_to_read, reconnect};
use super::message::{Fault, Message, Request, StoreFile, WriteError};
use super::operation::{Operation, evict};
use super::room::{OpenedFile, lack_of_room};
use crate::errors::chain;
use crate::service::limits::Limits;
use crate::service::measure;

/// The maximum number of operations in one commit.
const MAX_BATCH: usize = 256;

/// How often the writer looks after the file when there is nothing to write: its age limit, its size, the room on the
/// disk, and whether a failed write succeeds by now.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The size in bytes of what is written to try whether the disk has room again.
const PROBE_BYTES: i64 = 64 << 10;

/// Pages that are given back to the file system at once.
const VACUUM_PAGES: u32 = 2000;

/// The thread that writes.
pub(super) struct WriterThread {
    /// `None` while the disk has had no room for it since the start.
    connection: Option<Connection>,
    path: PathBuf,
    /// `None` if it could not be found when the store was opened.
    opened: Option<OpenedFile>,
    reader: Arc<Mutex<Connection>>,
    secret: SecretSlice<u8>,
    limits: Limits,
    /// Patient operations that could not be written.
    backlog: VecDeque<Request>,
    /// Why the last write failed.
    write_fault: Option<String>,
    /// Why nothing is accepted, for everybody.
    fault: watch::Sender<Option<Fault>>,
}

impl WriterThread {
    /// The thread, which does not run yet, and what it says about the file.
    pub(super) fn new(file: StoreFile, limits: Limits) -> (Self, watch::Receiver<Option<Fault>>) {
        let (connection, write_fault) = match file.connection {
            Ok(connection) => (Some(connection), None),
            Err(reason) => (None, Some(reason)),
        };
        let (sender, fault) = watch::channel(write_fault.clone().map(Fault::CannotWrite));
        let thread = Self {
            connection,
            opened: OpenedFile::at(&file.path).ok(),
            path: file.path,
            reader: file.reader,
            secret: file.secret,
            limits,
            backlog: VecDeque::new(),
            write_fault,
            fault: sender,
        };
        (thread, fault)
    }

    /// Runs until the store is closed.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
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
        let batch = self.refuse_what_would_be_lost(batch);
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

    /// Accepts no prediction in a file that no later process can find. What was accepted goes on there.
    fn refuse_what_would_be_lost(&self, batch: Vec<Request>) -> Vec<Request> {
        if !batch.iter().any(|request| request.operation.accepts()) {
            return batch;
        }
        let Some(reason) = self.missing() else {
            return batch;
        };
        let accepts = |request: &Request| request.operation.accepts();
        let (refused, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(accepts);
        for answer in refused.into_iter().filter_map(|request| request.answer) {
            let _ = answer.send(Err(WriteError::Failed(reason.clone())));
        }
        others
    }

    fn missing(&self) -> Option<String> {
        self.opened.as_ref().and_then(OpenedFile::missing)
    }

    /// Tries again what has failed.
    fn retry(&mut self) {
        if self.write_fault.is_none() || !self.connect() {
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
                Err(cause) => self.fail(cause.to_string()),
            }
        }
    }

    /// Connects to a file that was only read so far, if the disk has room by now. Returns whether the file can be written.
    fn connect(&mut self) -> bool {
        if self.connection.is_some() {
            return true;
        }
        let connected = match lack_of_room(&self.path) {
            Some(lack) => Err(lack),
            None => self.reconnect().map_err(|cause| chain(&cause)),
        };
        match connected {
            Ok(connection) => {
                self.connection = Some(connection);
                true
            }
            Err(reason) => {
                self.fail(reason);
                false
            }
        }
    }

    /// Replaces the connection that has the file for itself by one that writes and one that reads. Who reads waits meanwhile.
    fn reconnect(&self) -> Result<Connection, ConnectError> {
        let mut reader = self.reader.lock();
        *reader = Connection::open_in_memory()?;
        let connected = reconnect(&self.path, self.secret.expose_secret());
        match connected {
            Ok((writer, beside)) => {
                *reader = beside;
                Ok(writer)
            }
            Err(cause) => {
                *reader = connect_to_read(&self.path)?.0;
                Err(cause)
            }
        }
    }

    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            rusqlite::Error::SqliteFailure(code, self.write_fault.clone())
        })
    }

    /// Writes requests in one transaction. Returns false if the file cannot be written; patient requests are at the front
    /// of the backlog then, and the others have failed.
    fn commit(&mut self, batch: Vec<Request>) -> bool {
        let began = Instant::now();
        let results = match self.transaction(&batch) {
            Ok(results) => results,
            Err(cause) => {
                self.fail(cause.to_string());
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
        let connection = self.connection()?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let written = (|| {
            let mut results = Vec::with_capacity(batch.len());
            for request in batch {
                results.push(apply(connection, &request.operation)?);
            }
            if batch
                .iter()
                .any(|request| request.operation.adds_finished())
            {
                evict(connection, &self.limits)?;
            }
            connection.execute_batch("COMMIT")?;
            Ok(results)
        })();
        roll_back_if(written.is_err(), connection);
        written
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
        let connection = self.connection()?;
        let written = connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; INSERT INTO probe VALUES (randomblob({PROBE_BYTES})); COMMIT; DELETE FROM probe;"
        ));
        roll_back_if(written.is_err(), connection);
        written
    }

    fn fail(&mut self, reason: String) {
        measure::store_failure();
        if self.write_fault.is_none() {
            error!(reason, store = %self.path.display(), "the store cannot write; nothing is accepted");
        }
        self.write_fault = Some(reason.clone());
        self.fault.send_replace(Some(Fault::CannotWrite(reason)));
    }

    fn succeed(&mut self) {
        if self.write_fault.take().is_some() {
            info!(store = %self.path.display(), "the store can write again");
            self.fault.send_replace(None);
        }
    }

    /// Removes what is too old, gives free pages back, and checks the room on the disk, and whether the file is still there.
    fn look_after_file(&mut self) {
        if self.write_fault.is_none() {
            let kept = self.forget_old().and_then(|()| self.shrink());
            if let Err(cause) = kept {
                self.fail(cause.to_string());
            }
        }
        if self.write_fault.is_none() {
            let reason = self.missing().or_else(|| lack_of_room(&self.path));
            if let Some(reason) = &reason
                && self.fault.borrow().is_none()
            {
                warn!(reason, store = %self.path.display(), "the store accepts nothing");
            }
            self.fault.send_replace(reason.map(Fault::Unsafe));
        }
    }

    fn forget_old(&self) -> rusqlite::Result<()> {
        let connection = self.connection()?;
        connection.execute_batch("BEGIN")?;
        let evicted =
            evict(connection, &self.limits).and_then(|_| connection.execute_batch("COMMIT"));
        roll_back_if(evicted.is_err(), connection);
        evicted
    }

    fn shrink(&self) -> rusqlite::Result<()> {
        let connection = self.connection()?;
        let number =
            |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if number("freelist_count")? > 0 {
            let vacuum = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            let mut vacuum = connection.prepare(&vacuum)?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
        }
        measure::store_bytes(number("page_count")? * number("page_size")?);
        Ok(())
    }

    #[cfg(test)]
    fn limit_pages(&self, pages: i64, done: tokio::sync::oneshot::Sender<()>) {
        let connection = self.connection().unwrap();
        let limited = connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
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
        if let Some(connection) = &self.connection {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            let _ = connection.query_row(checkpoint, [], |_| Ok(()));
        }
    }
}

fn roll_back_if(failed: bool, connection: &Connection) {
    // Some failures have ended the transaction already.
    if failed
        && !connection.is_autocommit()
        && let Err(cause) = connection.execute_batch("ROLLBACK")
    {
        warn!(%cause, "a transaction of the store could not be rolled back");
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
