//! Lines about the delivery of webhooks in the log of their prediction.

use std::fmt;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tracing::warn;

use crate::errors::chain;
use crate::service::{Prediction, Store};

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

    /// The same through the store of the prediction, on tasks of the runtime that calls this.
    pub(super) fn stored(prediction: &Arc<Prediction>, store: Arc<dyn Store>) -> Self {
        let (id, created_at) = (prediction.id().to_owned(), prediction.created_at());
        let prediction: Weak<Prediction> = Arc::downgrade(prediction);
        let runtime = Handle::current();
        Self::new(move |line| {
            let (id, line, store) = (id.clone(), line.to_owned(), Arc::clone(&store));
            let handle = prediction.upgrade();
            // A task of its own, because the attempt that the note is about may be given up.
            runtime.spawn(async move {
                let found = match handle {
                    Some(handle) => Ok(Some(handle)),
                    None => store.find(&id).await,
                };
                match found {
                    Ok(Some(found)) if found.created_at() == created_at => {
                        store.add_note(&found, &line).await;
                    }
                    Ok(_) => {}
                    Err(error) => warn!(error = chain(&error), line, "a note is lost"),
                }
            });
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
