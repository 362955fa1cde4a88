//! Whether the model can draw.

use std::sync::Arc;

use parking_lot::Mutex;

use super::queue::Depth;
use crate::cog::{HealthStatus, Setup, SetupStatus};
use crate::output::Provenance;

/// Whether the model can draw: how its loading went, and whether it has failed since.
#[derive(Debug)]
pub struct Readiness(Mutex<ReadinessState>);

#[derive(Debug)]
struct ReadinessState {
    setup: Setup,
    /// Why the model no longer works; `None` if it works.
    fault: Option<String>,
    /// The maximum number of tokens of a prompt. There is none until the model is loaded: a prompt that may be too
    /// long is then refused because the server is not ready.
    token_limit: usize,
    /// What draws, once it is loaded.
    model: Option<Arc<Provenance>>,
}

/// The state of the server with its reasons.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The state.
    pub status: HealthStatus,
    /// How the loading of the model went.
    pub setup: Setup,
    /// Why the server is unhealthy, if it is.
    pub fault: Option<String>,
    /// Predictions that are being drawn or whose files are being stored.
    pub running: usize,
    /// Predictions that wait for a slot.
    pub waiting: usize,
}

impl Default for Readiness {
    /// Loading of the model starts now.
    fn default() -> Self {
        Self(Mutex::new(ReadinessState {
            setup: Setup::begin(),
            fault: None,
            token_limit: usize::MAX,
            model: None,
        }))
    }
}

impl Readiness {
    /// Declares the setup failed if it has not ended yet.
    pub fn time_out_setup(&self) {
        let mut state = self.0.lock();
        if state.setup.status == SetupStatus::Starting {
            state
                .setup
                .end(SetupStatus::Failed, "worker setup timed out\n".to_owned());
        }
    }

    /// Sets the maximum number of tokens that the model reads.
    pub(super) fn set_token_limit(&self, limit: usize) {
        self.0.lock().token_limit = limit;
    }

    /// The maximum number of tokens that the model reads, including the start and end tokens.
    pub(super) fn token_limit(&self) -> usize {
        self.0.lock().token_limit
    }

    /// Sets what draws.
    pub(super) fn set_model(&self, model: &Provenance) {
        self.0.lock().model = Some(Arc::new(model.clone()));
    }

    /// What draws; `None` until it is loaded.
    pub fn model(&self) -> Option<Arc<Provenance>> {
        self.0.lock().model.clone()
    }

    /// The model works, for the first time or again. The logs are those of the first loading.
    pub(super) fn model_loaded(&self, logs: String) {
        let mut state = self.0.lock();
        state.fault = None;
        if state.setup.status != SetupStatus::Succeeded {
            state.setup.end(SetupStatus::Succeeded, logs);
        }
    }

    /// The model could not be loaded at the start.
    pub(super) fn setup_failed(&self, logs: String) {
        self.0.lock().setup.end(SetupStatus::Failed, logs);
    }

    /// The model failed; nothing is accepted until it works again.
    pub(super) fn model_failed(&self, fault: String) {
        self.0.lock().fault = Some(fault);
    }

    /// The status alone of what [`Readiness::health`] returns.
    pub(super) fn status(&self, depth: Depth, capacity: usize) -> HealthStatus {
        self.0.lock().status(depth, capacity)
    }

    /// The state of a server that accepts predictions, from the depth of its queue and its
    /// capacity.
    pub(super) fn health(&self, depth: Depth, capacity: usize) -> Health {
        let state = self.0.lock();
        Health {
            status: state.status(depth, capacity),
            setup: state.setup.clone(),
            fault: state.fault.clone(),
            running: depth.running,
            waiting: depth.waiting,
        }
    }
}

impl ReadinessState {
    fn status(&self, depth: Depth, capacity: usize) -> HealthStatus {
        match self.setup.status {
            SetupStatus::Starting => HealthStatus::Starting,
            SetupStatus::Failed => HealthStatus::SetupFailed,
            SetupStatus::Succeeded if self.fault.is_some() => HealthStatus::Unhealthy,
            SetupStatus::Succeeded if depth.total() >= capacity => HealthStatus::Busy,
            SetupStatus::Succeeded => HealthStatus::Ready,
        }
    }
}
