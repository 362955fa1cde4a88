//! The trait [`Store`].

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::list::{ListQuery, Page};
use crate::output::Provenance;
use crate::secret::Secret;
use crate::service::accepted::{Accepted, Receiver};
use crate::service::event::Event;
use crate::service::job::Job;
use crate::service::outcome::Completion;
use crate::service::prediction::Prediction;
use crate::service::queue::Lease;

/// Predictions and their events.
///
/// Every change of a prediction goes through its store, which makes it visible on the prediction's
/// handle with [`Prediction::apply`]. A store that shares its predictions with other processes also
/// applies their events, and passes requests to cancel on to them ([`Prediction::cancel_requested`]).
///
/// The methods with a body need to be implemented only by a store that outlives its process.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Adds a prediction that is to be queued. A finished prediction with the same id is replaced. A
    /// durable store returns once the prediction is on the disk.
    ///
    /// # Errors
    /// When a prediction with this id is unfinished, there is no room, or the store cannot write. Nothing has changed
    /// then.
    async fn insert(&self, accepted: &Accepted) -> Result<Arc<Prediction>, InsertError>;

    /// The prediction with this id, finished or not.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn find(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError>;

    /// The prediction with this id if it is unfinished.
    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>>;

    /// The handle of a leased prediction for its worker; `None` if it has ended already.
    async fn leased(&self, lease: &Lease) -> Option<Arc<Prediction>> {
        self.unfinished(&lease.job.id).await
    }

    /// All unfinished predictions that this process has accepted or recovered.
    async fn all_unfinished(&self) -> Vec<Arc<Prediction>>;

    /// Predictions, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// Adds events to an unfinished prediction. They become visible together. A durable store writes
    /// them soon, and in order; it need not wait for that. A store that other processes share does not publish what a worker
    /// reports that has lost its lease; it suspends the handle then, so that the worker stops.
    async fn append(&self, prediction: &Arc<Prediction>, events: Vec<Event>);

    /// Records the end of a prediction, which is finished from now on, without making it visible
    /// yet. A durable store returns once the end is on the disk, however long that takes. It waits for no room on the disk
    /// if no result would be lost with the end: the prediction was cancelled, or its only caller waits on a connection.
    async fn record_end(&self, prediction: &Arc<Prediction>, completion: &Completion);

    /// Makes the recorded end visible. In between, the slot of the prediction is freed, so that a
    /// client that sees the end finds a free slot.
    async fn publish_end(&self, prediction: &Arc<Prediction>, completion: Completion);

    /// Whether other processes share the predictions. They are accepted, queued and cancelled by the store alone, and go on
    /// elsewhere when this process ends.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether predictions outlive the process.
    fn is_durable(&self) -> bool {
        false
    }

    /// Why the store cannot write at the moment, as a text for callers; `None` if it can.
    fn fault(&self) -> Option<String> {
        None
    }

    /// The secret of the server, which the store makes at its first use and keeps; `None` if it keeps none, so that each
    /// process has its own. Servers that share a store have one secret.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    async fn secret(&self) -> Result<Option<Secret>, StoreError> {
        Ok(None)
    }

    /// The folder for the files that clients send, beside a store that is a file.
    fn folder(&self) -> Option<PathBuf> {
        None
    }

    /// What earlier processes have left. The store returns it once.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn recover(&self) -> Result<Leftovers, StoreError> {
        Ok(Leftovers::default())
    }

    /// Records that a worker begins to draw a prediction, before its first step, so that a prediction that ends the
    /// process every time is not drawn forever.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn begin(&self, _: &Arc<Prediction>, _: &Provenance) -> Result<(), StoreError> {
        Ok(())
    }

    /// Adds a line about the delivery of a prediction to its log, also after its end.
    async fn add_note(&self, prediction: &Arc<Prediction>, line: &str) {
        prediction.add_note(line);
    }

    /// Records that a prediction is to be drawn again after a restart although its first caller waits on a connection,
    /// because another caller has been told that it is accepted.
    ///
    /// # Errors
    /// When the store cannot write.
    async fn draw_again(&self, _: &Arc<Prediction>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Records a request to cancel a prediction. A store in a file without room does so later.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn record_cancel(&self, _: &Arc<Prediction>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Leaves a prediction to the next process. The attempt to draw it in this process does not count.
    async fn suspend(&self, _: &Arc<Prediction>) {}

    /// Records, before it is sent, the name of a message to the receiver of a prediction's webhooks. A durable store returns
    /// once that and all earlier events are on the disk, however long that takes. So the next process has a newer state than
    /// every message of this one.
    ///
    /// # Errors
    /// When the store is closed. The message must not be sent then.
    async fn record_message(
        &self,
        _id: &str,
        _created_at: Timestamp,
        _name: &str,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Records that the receiver of a prediction's webhooks has got the last of them, or never will. `created_at`
    /// distinguishes the prediction from a later one with the same id.
    async fn record_delivery(&self, _id: &str, _created_at: Timestamp) {}

    /// Returns once everything that was given to the store is on the disk, as far as that is possible. Nothing may be
    /// given to it afterwards.
    async fn close(&self) {}
}

/// What earlier processes have left in a store.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Predictions without an end, the oldest first. The store counts them as unfinished again.
    pub unfinished: Vec<Leftover>,
    /// Finished predictions whose last webhook is not delivered.
    pub undelivered: Vec<Undelivered>,
}

/// A prediction of an earlier process whose receiver waits for webhooks.
#[derive(Debug)]
pub struct Undelivered {
    /// Its handle.
    pub prediction: Arc<Prediction>,
    /// The receiver.
    pub receiver: Receiver,
    /// The name of the last message that the receiver may have got; `None` if none was sent.
    pub last_message: Option<String>,
}

/// A prediction that an earlier process has left without an end.
#[derive(Debug)]
pub struct Leftover {
    /// Its handle, with the events that were stored.
    pub prediction: Arc<Prediction>,
    /// What the worker has to know.
    pub job: Job,
    /// The receiver of its webhooks.
    pub receiver: Option<Receiver>,
    /// The name of the last message that the receiver may have got; `None` if none was sent.
    pub last_message: Option<String>,
    /// How often it was begun.
    pub attempts: u32,
}

/// Why a prediction could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// A prediction with this id is unfinished.
    #[error("prediction {} is unfinished", .0.id())]
    Unfinished(Arc<Prediction>),
    /// The maximum number of predictions is unfinished, in a store that is shared together with its queue.
    #[error("the queue is full")]
    Full,
    /// The store cannot be reached, or cannot write.
    #[error("the prediction cannot be stored")]
    Unavailable(#[source] StoreError),
}

/// Why a store cannot be read or written. The cause comes from the store.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// An error with the store's cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
