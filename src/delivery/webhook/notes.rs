//! Lines about the delivery of webhooks in the log of their prediction.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::service::Prediction;

/// Adds lines to the log of a prediction.
pub(super) struct DeliveryNotes(Box<dyn Fn(&str) + Send + Sync>);

impl DeliveryNotes {
    /// Notes in the log of a prediction, without keeping the prediction in memory.
    pub(super) fn of(prediction: &Arc<Prediction>) -> Self {
        let prediction: Weak<Prediction> = Arc::downgrade(prediction);
        Self::new(move |line| {
            if let Some(prediction) = prediction.upgrade() {
                prediction.add_note(line);
            }
        })
    }

    /// Passes the lines to a function.
    pub(super) fn new(add: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Box::new(add))
    }

    /// Adds a line.
    pub(super) fn add(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for DeliveryNotes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeliveryNotes")
    }
}
