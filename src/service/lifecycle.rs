//! The service: accepts predictions, finds them, and ends them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tracing::{Instrument, error, info, info_span, warn};
use uuid::Uuid;

use super::accepted::{Accepted, Dispatch, Receiver, RestartPolicy};
use super::file_sink::FileSink;
use super::file_source::{FileSource, NoFileSource};
use super::job::{CancelPolicy, Destination, Job};
use super::limits::Limits;
use super::measure;
use super::origin::Origin;
use super::outcome::Outcome;
use super::prediction::Prediction;
use super::queue::{InMemoryQueue, Lease, PushError, Queue};
use super::readiness::{Health, Readiness};
use super::shutdown::Shutdown;
use super::store::{InMemoryStore, InsertError, ListQuery, Page, Store, StoreError};
use crate::cog::HealthStatus;
use crate::errors::chain;
use crate::inputs::Input;
use crate::output::Provenance;

/// What a caller wants drawn.
#[derive(Debug)]
pub struct Submission {
    /// The identifier; if there is none, it is generated.
    pub id: Option<String>,
    /// The checked inputs.
    pub input: Input,
    /// The first lines of the log, such as inputs that are ignored.
    pub notes: Vec<String>,
    /// Where the files go.
    pub destination: Destination,
    /// What cancels the prediction.
    pub cancel_policy: CancelPolicy,
    /// What happens to it if the server ends before it has ended.
    pub restart_policy: RestartPolicy,
    /// The receiver of its webhooks, which a durable store keeps. The service itself sends nothing to it.
    pub receiver: Option<Receiver>,
    /// How it is queued.
    pub dispatch: Dispatch,
    /// How it was asked for; the service adds the version of the model.
    pub origin: Origin,
}

/// Why a prediction is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The model is not loaded.
    #[error("the model is not loaded")]
    NotReady,
    /// Every slot and every place in the queue is taken.
    #[error("all slots and all places in the queue are taken")]
    AtCapacity,
    /// A prediction with this id is unfinished.
    #[error("prediction {} is unfinished", .0.id())]
    AlreadyRunning(Arc<Prediction>),
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Closed,
    /// The store cannot write; the text says why.
    #[error("the store cannot write: {0}")]
    StoreFault(String),
    /// The queue or the store failed.
    #[error("the prediction cannot be recorded")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// The replaceable parts of a service.
#[derive(Debug, Clone)]
pub struct Backends {
    /// Passes jobs to the workers.
    pub queue: Arc<dyn Queue>,
    /// Keeps predictions and their events.
    pub store: Arc<dyn Store>,
    /// Stores the files.
    pub files: Arc<dyn FileSink>,
    /// Fetches the files that inputs refer to by their address.
    pub sources: Arc<dyn FileSource>,
}

impl Backends {
    /// A queue and a store within this process, which fetch no files.
    pub fn in_memory(limits: Limits, files: Arc<dyn FileSink>) -> Self {
        Self {
            queue: Arc::new(InMemoryQueue::new(limits.long_capacity())),
            store: Arc::new(InMemoryStore::new(limits)),
            files,
            sources: Arc::new(NoFileSource),
        }
    }
}

/// Accepts predictions and keeps track of them until they end.
#[derive(Debug)]
pub struct Service {
    pub(super) limits: Limits,
    pub(super) backends: Backends,
    pub(super) readiness: Readiness,
    pub(super) shutdown: Shutdown,
    /// Held while a prediction is admitted or the service is closed, so that the checks still
    /// hold when the prediction is queued.
    admission: Mutex<()>,
}

impl Service {
    /// A service without predictions, which accepts them once a worker has loaded its model.
    pub fn new(limits: Limits, backends: Backends) -> Arc<Self> {
        Arc::new(Self {
            limits,
            backends,
            readiness: Readiness::default(),
            shutdown: Shutdown::default(),
            admission: Mutex::default(),
        })
    }

    /// The maximum number of tokens of a prompt, including the start and end tokens.
    pub fn token_limit(&self) -> usize {
        self.readiness.token_limit()
    }

    /// Accepts a prediction. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be accepted now.
    pub async fn submit(
        self: &Arc<Self>,
        submission: Submission,
    ) -> Result<Arc<Prediction>, SubmitError> {
        let receiver = submission.receiver;
        let restart_policy = submission.restart_policy;
        let dispatch = submission.dispatch;
        let job = Job {
            id: submission
                .id
                .unwrap_or_else(|| Uuid::new_v4().simple().to_string()),
            input: submission.input,
            notes: submission.notes,
            destination: submission.destination,
            cancel_policy: submission.cancel_policy,
            created_at: Timestamp::now(),
            origin: Origin {
                version: self.model_version(),
                ..submission.origin
            },
        };
        let accepted = Accepted {
            job,
            restart_policy,
            receiver,
            dispatch,
        };
        if self.backends.store.is_shared() {
            return self.submit_shared(&accepted).await;
        }
        let _admission = self.admission.lock().await;
        self.admit(&accepted.job).await?;
        let prediction = self.backends.store.insert(&accepted).await?;
        if let Err(cause) = self.backends.queue.push(accepted.job).await {
            // Only a queue that is shared with other processes can be full or closed after the
            // check above.
            self.end(&prediction, Outcome::Canceled, None).await;
            return Err(cause.into());
        }
        self.watch_while_waiting(&prediction);
        self.cancel_at_deadline(&prediction);
        Ok(prediction)
    }

    /// Accepts a prediction in a store that is shared with other processes, which knows whether there is room.
    async fn submit_shared(
        self: &Arc<Self>,
        accepted: &Accepted,
    ) -> Result<Arc<Prediction>, SubmitError> {
        // The capacity is checked by the store.
        self.check_ready(usize::MAX).await?;
        let prediction = self.backends.store.insert(accepted).await?;
        self.cancel_at_deadline(&prediction);
        if prediction.restart_policy() == RestartPolicy::Cancel {
            // Its caller waits on a connection to this process, so the shutdown waits for the end.
            let awaited = Arc::clone(&prediction);
            self.shutdown.tasks().spawn(async move {
                tokio::select! {
                    _ = awaited.finished() => {}
                    () = awaited.suspended() => {}
                }
            });
        }
        Ok(prediction)
    }

    /// Declares that this process needs no model, because other processes draw its predictions.
    pub fn serve_without_model(&self) {
        self.readiness
            .model_loaded("Other processes draw.\nServer ready\n".to_owned());
    }

    /// Sets the maximum number of tokens that the model of other processes reads.
    pub fn set_token_limit(&self, limit: usize) {
        self.readiness.set_token_limit(limit);
    }

    /// Sets what draws in other processes.
    pub fn set_model(&self, model: &Provenance) {
        self.readiness.set_model(model);
    }

    pub(super) fn watch_while_waiting(self: &Arc<Self>, prediction: &Arc<Prediction>) {
        let service = Arc::clone(self);
        let waiting = service.cancel_while_waiting(Arc::clone(prediction));
        let span = info_span!("prediction", prediction_id = prediction.id());
        self.shutdown.tasks().spawn(waiting.instrument(span));
    }

    /// Cancels a prediction at its deadline, if it has one and has not ended by then.
    pub(super) fn cancel_at_deadline(self: &Arc<Self>, prediction: &Arc<Prediction>) {
        let Some(deadline) = prediction.origin().deadline else {
            return;
        };
        let left = deadline.saturating_sub(Timestamp::now().as_millisecond());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let (service, prediction) = (Arc::clone(self), Arc::clone(prediction));
        let cancelling = async move {
            tokio::select! {
                biased;
                _ = prediction.finished() => return,
                () = prediction.suspended() => return,
                () = tokio::time::sleep(left) => {}
            }
            info!(id = prediction.id(), "the time for a prediction is over");
            if let Err(error) = service.cancel(&prediction).await {
                warn!(error = chain(&error), "a request to cancel is not recorded");
            }
        };
        tokio::spawn(cancelling);
    }

    async fn admit(&self, job: &Job) -> Result<(), SubmitError> {
        if let Some(unfinished) = self.unfinished(&job.id).await {
            return Err(SubmitError::AlreadyRunning(unfinished));
        }
        let capacity = if job.origin.waits() {
            self.limits.long_capacity()
        } else {
            self.limits.capacity()
        };
        self.check_ready(capacity).await
    }

    /// Why the store cannot write at the moment, as a text for callers; `None` if it can.
    pub fn store_fault(&self) -> Option<String> {
        self.backends.store.fault()
    }

    /// Whether a caller that is accepted up to `capacity` can be accepted now.
    async fn check_ready(&self, capacity: usize) -> Result<(), SubmitError> {
        if let Some(fault) = self.store_fault() {
            return Err(SubmitError::StoreFault(fault));
        }
        match self.status(capacity).await {
            HealthStatus::Ready => Ok(()),
            HealthStatus::Busy => Err(SubmitError::AtCapacity),
            HealthStatus::Defunct => Err(SubmitError::Closed),
            HealthStatus::Starting | HealthStatus::SetupFailed | HealthStatus::Unhealthy => {
                Err(SubmitError::NotReady)
            }
        }
    }

    /// Ends a prediction at once if it is to be cancelled before a worker has leased it. After
    /// that its publisher ends it.
    async fn cancel_while_waiting(self: Arc<Self>, prediction: Arc<Prediction>) {
        tokio::select! {
            biased;
            () = prediction.left_queue() => return,
            () = prediction.cancel_requested() => {}
            () = self.shutdown.cancel_now_requested() => {}
        }
        let queue = &self.backends.queue;
        if queue.remove(prediction.id(), prediction.created_at()).await {
            self.end(&prediction, Outcome::Canceled, None).await;
        }
    }

    /// Ends a prediction. The order matters: first the end is recorded, so that it cannot be lost;
    /// then the slot is freed; then the end is counted; and only then does it become visible.
    pub(super) async fn end(
        &self,
        prediction: &Arc<Prediction>,
        outcome: Outcome,
        lease: Option<Lease>,
    ) {
        if prediction.is_suspended() && outcome == Outcome::Canceled {
            info!("prediction left to the next start of the server, or to another one");
            self.backends.store.suspend(prediction).await;
            if let Some(lease) = lease {
                self.backends.queue.complete(lease).await;
            }
            return;
        }
        match &outcome {
            Outcome::Failed(message) => error!(message, "prediction failed"),
            outcome => info!(status = outcome.status().as_str(), "prediction ended"),
        }
        let completion = prediction.completion(outcome);
        tokio::select! {
            biased;
            () = self.backends.store.record_end(prediction, &completion) => {}
            // The store cannot write. The next process finds the prediction unfinished.
            () = self.shutdown.cancel_now_requested() => warn!("the end could not be recorded"),
        }
        if let Some(lease) = lease {
            self.backends.queue.complete(lease).await;
        }
        measure::finished(completion.outcome.status(), completion.predict_time);
        self.backends
            .store
            .publish_end(prediction, completion)
            .await;
    }

    /// The prediction with this id if it is unfinished.
    pub async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>> {
        self.backends.store.unfinished(id).await
    }

    /// The same, where it matters whether the store can be read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_unfinished(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError> {
        if !self.is_shared() {
            return Ok(self.unfinished(id).await);
        }
        let found = self.find(id).await?;
        Ok(found.filter(|prediction| !prediction.status().is_terminal()))
    }

    /// Whether other processes share the predictions.
    pub fn is_shared(&self) -> bool {
        self.backends.store.is_shared()
    }

    /// The prediction with this id, finished or not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError> {
        self.backends.store.find(id).await
    }

    /// Predictions that are known, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.backends.store.list(query).await
    }

    /// Requests the cancellation of a prediction for its caller. The request outlives the process if the store does.
    ///
    /// # Errors
    /// When the store cannot record the request; the prediction is cancelled in this process then.
    pub async fn cancel(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        let recorded = self.backends.store.record_cancel(prediction).await;
        prediction.cancel();
        recorded
    }

    /// Lets a prediction be drawn again after a restart, because another caller gets a response that it is accepted.
    ///
    /// # Errors
    /// When the store cannot record it.
    pub async fn draw_again(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        self.backends.store.draw_again(prediction).await
    }

    /// The status of the server for a caller that is accepted up to `capacity`, without the logs that
    /// [`Service::health`] copies.
    async fn status(&self, capacity: usize) -> HealthStatus {
        if self.shutdown.is_closed() {
            return HealthStatus::Defunct;
        }
        let depth = self.backends.queue.depth().await;
        self.readiness.status(depth, capacity)
    }

    /// The state of the server.
    pub async fn health(&self) -> Health {
        let depth = self.backends.queue.depth().await;
        let mut health = self.readiness.health(depth, self.limits.capacity());
        if let Some(fault) = self.backends.store.fault()
            && matches!(health.status, HealthStatus::Ready | HealthStatus::Busy)
        {
            health.status = HealthStatus::Unhealthy;
            health.fault = Some(format!("the store cannot write: {fault}"));
        }
        if self.shutdown.is_closed() {
            health.status = HealthStatus::Defunct;
        }
        health
    }

    /// The version of the model that draws; `None` until it is loaded.
    pub fn model_version(&self) -> Option<String> {
        self.readiness.model().map(|model| model.version())
    }

    /// Whether the model can draw.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Accepts no further predictions. Those that were accepted continue.
    pub async fn close(&self) {
        let _admission = self.admission.lock().await;
        self.shutdown.close();
        self.backends.queue.close().await;
    }

    /// Asks for the cancellation of every prediction.
    pub async fn cancel_all(&self) {
        for prediction in self.backends.store.all_unfinished().await {
            prediction.cancel();
        }
    }

    /// Leaves every prediction that a restart would draw again to the next process, and asks for the cancellation of the
    /// others.
    pub async fn suspend_all(&self) {
        let store = &self.backends.store;
        let is_shared = store.is_shared();
        for prediction in store.all_unfinished().await {
            let goes_on = is_shared || prediction.restart_policy() == RestartPolicy::DrawAgain;
            if store.is_durable() && goes_on {
                if is_shared && let Err(error) = store.draw_again(&prediction).await {
                    warn!(
                        error = chain(&error),
                        "a prediction ends with the connection of its client"
                    );
                }
                prediction.suspend();
            } else {
                prediction.cancel();
            }
        }
    }

    /// Ends every prediction as cancelled now, without waiting for the worker.
    pub fn cancel_now(&self) {
        self.shutdown.cancel_now();
    }

    /// Waits, after [`Service::close`], until every prediction has ended.
    pub async fn drained(&self) {
        self.shutdown.drained().await;
    }
}

impl From<InsertError> for SubmitError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Unfinished(prediction) => Self::AlreadyRunning(prediction),
            InsertError::Full => Self::AtCapacity,
            InsertError::Unavailable(cause) => Self::Unavailable(cause.into()),
        }
    }
}

impl From<PushError> for SubmitError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Full => Self::AtCapacity,
            PushError::Closed => Self::Closed,
            PushError::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}
