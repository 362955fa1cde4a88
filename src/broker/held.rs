//! The leases of this process, which are renewed until the predictions have ended.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

use super::error::BrokerError;
use super::link::{Arguments, arguments};
use super::measure;
use super::value::{integer, list, next};
use crate::service::Prediction;

/// Which lease of which job.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    /// The id of the job.
    pub(super) id: String,
    /// The number of the lease.
    pub(super) fence: u64,
}

impl Ticket {
    /// The first arguments of every script about this lease.
    pub(super) fn arguments(&self) -> Arguments {
        let fence = self.fence.to_string();
        arguments([self.id.as_bytes(), fence.as_bytes()])
    }
}

/// A prediction that this process has leased.
#[derive(Debug)]
pub(super) struct Held {
    /// Its handle, which nobody but the worker uses. Front ends follow the events, even in the same process.
    pub(super) prediction: Arc<Prediction>,
    pub(super) ticket: Ticket,
    state: Mutex<HeldState>,
}

#[derive(Debug, Default)]
struct HeldState {
    /// Somebody else has the job, or it was given back.
    is_lost: bool,
    /// Why it cannot go on, for its caller.
    failure: Option<String>,
}

impl Held {
    pub(super) fn new(prediction: Arc<Prediction>, ticket: Ticket) -> Self {
        Self {
            prediction,
            ticket,
            state: Mutex::default(),
        }
    }

    /// Stops the worker, because somebody else has the job. Nothing of it is published any more.
    pub(super) fn lose(&self) {
        let was_lost = std::mem::replace(&mut self.state.lock().is_lost, true);
        if !was_lost {
            warn!(
                id = self.prediction.id(),
                "the lease of a prediction is lost"
            );
            measure::lease_lost();
            self.prediction.suspend();
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state.lock().is_lost
    }

    /// Refuses everything from now on without a message, because the job was given back.
    pub(super) fn give_up(&self) {
        self.state.lock().is_lost = true;
    }

    /// Stops the worker, because the broker's data is damaged; the prediction fails with the message.
    pub(super) fn fail(&self, message: String) {
        self.state.lock().failure.get_or_insert(message);
        self.prediction.cancel();
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.state.lock().failure.clone()
    }
}

/// All leases of this process.
#[derive(Debug, Default)]
pub(super) struct HeldLeases(Mutex<Vec<Arc<Held>>>);

impl HeldLeases {
    pub(super) fn add(&self, held: Arc<Held>) {
        let mut all = self.0.lock();
        all.push(held);
        measure::held(all.len());
    }

    pub(super) fn all(&self) -> Vec<Arc<Held>> {
        self.0.lock().clone()
    }

    /// The lease behind a handle.
    pub(super) fn of(&self, prediction: &Arc<Prediction>) -> Option<Arc<Held>> {
        let all = self.0.lock();
        all.iter()
            .find(|held| Arc::ptr_eq(&held.prediction, prediction))
            .cloned()
    }

    /// The lease of a job under its number.
    pub(super) fn find(&self, id: &str, fence: u64) -> Option<Arc<Held>> {
        let all = self.0.lock();
        all.iter()
            .find(|held| held.ticket.fence == fence && held.ticket.id == id)
            .cloned()
    }

    pub(super) fn remove(&self, id: &str, fence: u64) {
        let mut all = self.0.lock();
        all.retain(|held| held.ticket.fence != fence || held.ticket.id != id);
        measure::held(all.len());
    }
}

/// What a script says about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    GoOn,
    Cancel,
    /// Somebody else has the job.
    Lost,
    /// Events that this worker has published are missing: the broker has lost its newest data.
    Missing,
}

impl Progress {
    pub(super) fn read(value: redis::Value) -> Result<Self, BrokerError> {
        let mut parts = list(value)?.into_iter();
        match integer(&next(&mut parts)?)? {
            1 if integer(&next(&mut parts)?)? == 1 => Ok(Self::Cancel),
            1 => Ok(Self::GoOn),
            -2 => Ok(Self::Missing),
            _ => Ok(Self::Lost),
        }
    }
}
