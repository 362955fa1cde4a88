//! The way in.

use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::courier::{self, Courier};
use super::prediction::{Lifeline, Prediction};
use super::registry::{Job, Refusal, Registry};
use super::report::Destination;
use crate::inputs::Input;

/// What a caller wants drawn.
#[derive(Debug)]
pub struct Request {
    /// The identifier; none means that one is made up.
    pub id: Option<String>,
    /// The checked inputs.
    pub input: Input,
    /// The first lines of the log, such as inputs that are ignored.
    pub notes: Vec<String>,
    /// Where the files go.
    pub destination: Destination,
    /// Who has to stay for the prediction to go on.
    pub lifeline: Lifeline,
}

impl Registry {
    /// Accepts a prediction. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be accepted now; nothing has happened then.
    pub fn submit(self: &Arc<Self>, request: Request) -> Result<Arc<Prediction>, Refusal> {
        let id = request
            .id
            .unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        // From here on the end of the server waits for the courier, who is not under way yet.
        let _counted = self.couriers().token();
        let (reports, inbox) = mpsc::unbounded_channel();
        let prediction = Arc::new(Prediction::new(
            id,
            request.input.values().clone(),
            self.limits().replay,
            request.lifeline,
        ));
        request.notes.iter().for_each(|note| prediction.log(note));
        self.enter(Job {
            prediction: Arc::clone(&prediction),
            spec: request.input.spec().clone(),
            reports,
        })?;
        let courier = Courier {
            registry: Arc::clone(self),
            prediction: Arc::clone(&prediction),
            input: request.input,
            destination: request.destination,
        };
        self.couriers().spawn(courier::run(courier, inbox));
        Ok(prediction)
    }
}
