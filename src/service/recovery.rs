//! What the service does at its start with the predictions of earlier processes.

use std::sync::Arc;

use tracing::{info, warn};

use super::accepted::RestartPolicy;
use super::lifecycle::Service;
use super::outcome::Outcome;
use super::store::{Leftover, StoreError, Undelivered};

/// How often a prediction is begun. If the process ends every time, the prediction may be the reason.
pub(crate) const MAX_ATTEMPTS: u32 = 3;

impl Service {
    /// Queues the unfinished predictions of earlier processes again, the oldest first, or ends those that are not to be
    /// drawn again. Returns the predictions whose receivers wait for webhooks. Call it before the worker is started, so that
    /// nothing new is accepted before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recover(self: &Arc<Self>) -> Result<Vec<Undelivered>, StoreError> {
        let leftovers = self.backends.store.recover().await?;
        let mut undelivered = leftovers.undelivered;
        let (mut queued, mut ended) = (0, 0);
        for leftover in leftovers.unfinished {
            let prediction = Arc::clone(&leftover.prediction);
            if let Some(receiver) = leftover.receiver.clone() {
                undelivered.push(Undelivered {
                    prediction: Arc::clone(&prediction),
                    receiver,
                    last_message: leftover.last_message.clone(),
                });
            }
            if let Some(outcome) = outcome(&leftover) {
                ended += 1;
                // A store that cannot write at the moment must not keep the server from starting.
                let service = Arc::clone(self);
                let ending = async move { service.end(&prediction, outcome, None).await };
                self.shutdown.tasks().spawn(ending);
            } else {
                queued += 1;
                prediction.wait_again();
                let queue = &self.backends.queue;
                queue.restore(leftover.job, leftover.attempts).await;
                self.watch_while_waiting(&prediction);
                self.cancel_at_deadline(&prediction);
            }
        }
        if queued + ended > 0 {
            info!(
                queued,
                ended, "found unfinished predictions of an earlier start"
            );
        }
        if !undelivered.is_empty() {
            info!(
                predictions = undelivered.len(),
                "found webhooks that are not delivered"
            );
        }
        Ok(undelivered)
    }
}

/// How an unfinished prediction ends without being drawn again; `None` if it is drawn again.
fn outcome(leftover: &Leftover) -> Option<Outcome> {
    let prediction = &leftover.prediction;
    if prediction.is_cancel_requested() || prediction.restart_policy() == RestartPolicy::Cancel {
        return Some(Outcome::Canceled);
    }
    if leftover.attempts < MAX_ATTEMPTS {
        return None;
    }
    let id = prediction.id();
    warn!(
        id,
        "the server has ended each time while it drew a prediction"
    );
    Some(Outcome::Failed(format!(
        "Prediction failed: the server has ended {MAX_ATTEMPTS} times while it drew this"
    )))
}
