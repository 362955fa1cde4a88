//! The handle of the thread that writes.

use std::sync::mpsc::{self, Sender};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::commit::WriterThread;
use super::message::{Answer, Fault, Message, Request, StoreFile, WriteError};
use super::operation::Operation;
use crate::service::limits::Limits;

/// Sends operations to the writer. Operations are written in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` after the store was closed.
    messages: Mutex<Option<Sender<Message>>>,
    fault: watch::Receiver<Option<Fault>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(file: StoreFile, limits: Limits) -> std::io::Result<Self> {
        let (sender, messages) = mpsc::channel();
        let (thread, fault) = WriterThread::new(file, limits);
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
        match &*self.fault.borrow() {
            Some(Fault::CannotWrite(reason) | Fault::Unsafe(reason)) => Some(reason.clone()),
            None => None,
        }
    }

    /// Waits until a write fails. What is patient waits from then on until the disk has room.
    pub(super) async fn cannot_write(&self) {
        let mut fault = self.fault.clone();
        let failed = |fault: &Option<Fault>| matches!(fault, Some(Fault::CannotWrite(_)));
        if fault.wait_for(failed).await.is_err() {
            // The thread has ended, and nothing waits for it.
            std::future::pending::<()>().await;
        }
    }

    /// Sends an operation without waiting for it.
    pub(super) fn send(&self, operation: Operation) {
        self.request(operation, None);
    }

    /// Sends an operation. The future waits until it is on the disk, and returns its result. A patient one may take long.
    pub(super) fn write(
        &self,
        operation: Operation,
    ) -> impl Future<Output = Result<Option<String>, WriteError>> + Send + use<> {
        let (answer, result) = oneshot::channel();
        self.request(operation, Some(answer));
        async { result.await.unwrap_or(Err(WriteError::Closed)) }
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
