//! The trait [`Store`].

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::service::event::Event;
use crate::service::job::Job;
use crate::service::outcome::Completion;
use crate::service::prediction::Prediction;

/// Predictions and their events.
///
/// Every change of a prediction goes through its store, which makes it visible on the prediction's
/// handle with [`Prediction::apply`]. A store that shares its predictions with other processes also
/// applies their events, and passes requests to cancel on to them ([`Prediction::cancel_requested`]).
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Adds the prediction of a job that is to be queued. A finished prediction with the same id
    /// is replaced. A durable store returns once the job is on the disk.
    ///
    /// # Errors
    /// When a prediction with this id is unfinished, or the store cannot write. Nothing has changed
    /// then.
    async fn insert(&self, job: &Job) -> Result<Arc<Prediction>, InsertError>;

    /// The prediction with this id, finished or not.
    async fn find(&self, id: &str) -> Option<Arc<Prediction>>;

    /// The prediction with this id if it is unfinished.
    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>>;

    /// All predictions: the unfinished ones first, then the finished ones, each group with the
    /// newest first.
    async fn recent(&self) -> Vec<Arc<Prediction>>;

    /// Adds events to an unfinished prediction. They become visible together.
    async fn append(&self, prediction: &Arc<Prediction>, events: Vec<Event>);

    /// Records the end of a prediction, which is finished from now on, without making it visible
    /// yet. A durable store returns once the end is on the disk.
    async fn record_end(&self, prediction: &Arc<Prediction>, completion: &Completion);

    /// Makes the recorded end visible. In between, the slot of the prediction is freed, so that a
    /// client that sees the end finds a free slot.
    async fn publish_end(&self, prediction: &Arc<Prediction>, completion: Completion);
}

/// Why a prediction could not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// A prediction with this id is unfinished.
    #[error("prediction {} is unfinished", .0.id())]
    Unfinished(Arc<Prediction>),
    /// The store cannot be reached, or cannot write.
    #[error("the store failed")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
