//! Fills the handles that somebody watches from the streams of their events, whichever process draws.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep};
use tracing::{debug, error};

use super::error::BrokerError;
use super::link::{Arguments, arguments};
use super::record::{apply_all, check_complete, created_of, end_arguments, end_damaged};
use super::script::{CANCEL, READ};
use super::shared::{Broker, Live};
use super::subscriptions::Subscription;
use super::value::{StreamEntry, entries, integer, list, next};
use crate::service::{Cancellation, Completion, Outcome, Prediction, RestartPolicy};

/// How soon to look for events without a message that there are some. A message is missed only when somebody changes keys,
/// or when the connection is lost, and then all followers look. So while nothing happens, they look less and less often.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a handle is left alone at first: most callers need only an id, and drop it.
const FIRST_PAUSE: Duration = Duration::from_millis(3);

/// Events that are read at once.
const MAX_EVENTS: usize = 500;

/// How long the broker is asked to cancel a prediction. After that, nobody renews the prediction's life.
const CANCEL_TIMEOUT: Duration = Duration::from_mins(1);

/// Events that were read, and what the broker says about the others.
pub(super) struct ReadEvents {
    pub(super) events: Vec<StreamEntry>,
    /// The number of the newest event.
    newest: u64,
    /// Whether the prediction has ended.
    has_ended: bool,
}

/// Follows one prediction until its end, or until nobody watches it.
struct Follower {
    broker: Arc<Broker>,
    id: String,
    created: String,
    prediction: Weak<Prediction>,
    reading: Arc<AsyncMutex<()>>,
    cancellation: Cancellation,
}

impl Broker {
    /// Registers a handle and fills it from now on. Returns the handle that is registered already instead, if there is one.
    pub(super) fn follow(self: &Arc<Self>, prediction: Arc<Prediction>) -> Arc<Prediction> {
        let live = Live {
            prediction: Arc::downgrade(&prediction),
            reading: Arc::default(),
        };
        {
            let mut all = self.live.lock();
            let other = all
                .get(prediction.id())
                .and_then(|live| live.prediction.upgrade());
            let other = other.filter(|other| {
                other.created_at() == prediction.created_at() && !other.is_suspended()
            });
            if let Some(other) = other {
                return other;
            }
            all.insert(prediction.id().to_owned(), live.clone());
        }
        let follower = Follower {
            broker: Arc::clone(self),
            id: prediction.id().to_owned(),
            created: created_of(&prediction),
            prediction: live.prediction,
            reading: live.reading,
            cancellation: prediction.cancellation(),
        };
        tokio::spawn(follower.run());
        prediction
    }

    /// The handle of a prediction that somebody watches.
    pub(super) fn watched(&self, id: &str) -> Option<(Arc<Prediction>, Arc<AsyncMutex<()>>)> {
        let live = self.live.lock().get(id).cloned()?;
        let prediction = live.prediction.upgrade()?;
        (!prediction.is_suspended()).then_some((prediction, live.reading))
    }

    /// Applies all events that there are. The handle ends if the broker no longer knows the prediction.
    pub(super) async fn catch_up(
        &self,
        prediction: &Arc<Prediction>,
        reading: &Arc<AsyncMutex<()>>,
    ) -> Result<(), BrokerError> {
        let mut reading = Arc::clone(reading).lock_owned().await;
        let life = match prediction.restart_policy() {
            RestartPolicy::Cancel => self.life(),
            RestartPolicy::DrawAgain => "0".to_owned(),
        };
        while !prediction.status().is_terminal() {
            let Some(read) = self.read_events(prediction, &life).await? else {
                end_damaged(prediction, "the broker no longer knows it");
                return Ok(());
            };
            let is_all = read.events.len() < MAX_EVENTS;
            // Nobody else reads before these are applied.
            reading = apply_all(prediction, read.events, reading).await?;
            if is_all {
                return check_complete(prediction, read.newest, read.has_ended);
            }
        }
        Ok(())
    }

    /// The next events that a handle does not have, at most [`MAX_EVENTS`]; `None` if the broker does not know the prediction.
    /// An awaited prediction lives on for `life` milliseconds, unless that is 0.
    pub(super) async fn read_events(
        &self,
        prediction: &Prediction,
        life: &str,
    ) -> Result<Option<ReadEvents>, BrokerError> {
        let request = arguments([
            prediction.id().as_bytes(),
            created_of(prediction).as_bytes(),
            (prediction.next_event() - 1).to_string().as_bytes(),
            MAX_EVENTS.to_string().as_bytes(),
            life.as_bytes(),
        ]);
        let mut answer = list(self.call(&READ, &request).await?)?.into_iter();
        if integer(&next(&mut answer)?)? == 0 {
            return Ok(None);
        }
        Ok(Some(ReadEvents {
            events: entries(next(&mut answer)?)?,
            newest: integer(&next(&mut answer)?)?.unsigned_abs(),
            has_ended: integer(&next(&mut answer)?)? == 1,
        }))
    }

    /// The arguments of the script that cancels a prediction: at once if it waits, by its worker if it is being drawn.
    pub(super) fn cancel_arguments(&self, id: &str, created: &str) -> Arguments {
        let mut request = arguments([id.as_bytes(), created.as_bytes()]);
        request.extend(self.retention());
        request.extend(end_arguments(&Completion {
            outcome: Outcome::Canceled,
            completed_at: Timestamp::now(),
            predict_time: 0.0,
        }));
        request
    }
}

impl Follower {
    async fn run(self) {
        sleep(FIRST_PAUSE).await;
        if self.prediction.strong_count() > 0 || self.cancellation.is_requested() {
            let channel = self.broker.key(&format!("changed:{}", self.id));
            let subscription = self.broker.subscriptions.subscribe(channel);
            self.fill(&subscription).await;
        }
        let mut live = self.broker.live.lock();
        // Another handle may have taken the place of this one.
        if live
            .get(&self.id)
            .is_some_and(|live| Weak::ptr_eq(&live.prediction, &self.prediction))
        {
            live.remove(&self.id);
        }
    }

    async fn fill(&self, subscription: &Subscription) {
        let mut is_cancelled = false;
        // The life of an awaited prediction is renewed with each look at its events.
        let longest = self.broker.config.life() / 3;
        let shortest = INTERVAL.min(longest);
        let mut interval = shortest;
        while let Some(prediction) = self.prediction.upgrade() {
            if prediction.status().is_terminal() || self.cancellation.is_suspended() {
                return;
            }
            match self.broker.catch_up(&prediction, &self.reading).await {
                Ok(()) => {}
                Err(error) if error.is_temporary() => debug!(%error, "events cannot be read"),
                Err(error) => {
                    error!(%error, id = self.id, "the events of a prediction are damaged");
                    end_damaged(&prediction, &error.to_string());
                }
            }
            if prediction.status().is_terminal() {
                return;
            }
            drop(prediction);
            tokio::select! {
                () = self.cancellation.requested(), if !is_cancelled => {
                    is_cancelled = true;
                    self.cancel().await;
                }
                () = subscription.changed() => interval = shortest,
                () = sleep(interval) => interval = (interval * 2).min(longest),
            }
        }
        if !is_cancelled && self.cancellation.is_requested() {
            self.cancel().await;
        }
    }

    async fn cancel(&self) {
        let began = Instant::now();
        let request = self.broker.cancel_arguments(&self.id, &self.created);
        let is_over = || began.elapsed() > CANCEL_TIMEOUT;
        if let Err(error) = self.broker.call_until(&CANCEL, &request, is_over).await {
            error!(%error, id = self.id, "a prediction cannot be cancelled");
        }
    }
}
