//! The `completed` event, which ends an event stream. It repeats the whole output, which can be
//! many megabytes, and all subscribers of a prediction need it at the same time. It is therefore
//! serialized once and shared.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::service::Prediction;

/// The serialized `completed` event of one prediction, empty until a subscriber needs it.
pub(super) type CompletedEvent = OnceCell<Bytes>;

/// The `completed` events of all predictions that have a subscriber. The key is the address of the
/// prediction in memory, which is unique while a subscriber holds the prediction.
#[derive(Debug, Default)]
pub(super) struct CompletedEvents {
    shared: Mutex<HashMap<usize, Weak<CompletedEvent>>>,
}

impl CompletedEvents {
    /// Returns the cell for a prediction's `completed` event. Subscribers that are connected at
    /// the same time share one cell.
    pub(super) fn of(&self, prediction: &Arc<Prediction>) -> Arc<CompletedEvent> {
        let mut shared = self.shared.lock();
        shared.retain(|_, event| event.strong_count() > 0);
        let address = Arc::as_ptr(prediction).addr();
        if let Some(event) = shared.get(&address).and_then(Weak::upgrade) {
            return event;
        }
        let event = Arc::default();
        shared.insert(address, Arc::downgrade(&event));
        event
    }
}
