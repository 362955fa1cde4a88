//! What the worker reports about a prediction.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::outcome::Outcome;
use crate::draw::Frame;
use crate::output::Provenance;

/// What the worker reports about one prediction, on a channel that was made when the prediction
/// was leased.
#[derive(Debug)]
pub(super) enum WorkerMessage {
    /// It has its slot.
    Started(Arc<Provenance>),
    /// A frame is to be published.
    Frame {
        /// The drawing that it belongs to, from 0.
        output: usize,
        frame: Frame,
        /// Steps per second since the start.
        steps_per_second: f64,
        /// Its place among the frames that are being published, which is freed when this is
        /// dropped.
        permit: OwnedSemaphorePermit,
    },
    /// The worker does not draw it now, because the store cannot record that it is begun.
    Released,
    /// The worker is done with it.
    Ended(Outcome),
}
