//! The last frame of an event stream repeats the whole output, many megabytes at times, and all
//! subscribers of a prediction want it at the same moment. So it is made once and shared.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::service::Prediction;

/// The last frame of one prediction, once somebody has needed it.
pub(super) type FinalFrame = OnceCell<Bytes>;

/// The last frames of all predictions that have a subscriber, by the address of the prediction,
/// which is its own for as long as a subscriber holds it.
#[derive(Debug, Default)]
pub(super) struct FinalFrames {
    shared: Mutex<HashMap<usize, Weak<FinalFrame>>>,
}

impl FinalFrames {
    /// The place of a prediction's last frame; all who ask while one of them has it get the same.
    pub(super) fn of(&self, prediction: &Arc<Prediction>) -> Arc<FinalFrame> {
        let mut shared = self.shared.lock();
        shared.retain(|_, frame| frame.strong_count() > 0);
        let address = Arc::as_ptr(prediction).addr();
        if let Some(frame) = shared.get(&address).and_then(Weak::upgrade) {
            return frame;
        }
        let frame = Arc::default();
        shared.insert(address, Arc::downgrade(&frame));
        frame
    }
}
