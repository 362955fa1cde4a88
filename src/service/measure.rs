//! The numbers of the service for Prometheus.

use metrics::{counter, gauge, histogram};

use super::status::Status;

/// Finished predictions, by `status`.
pub const PREDICTIONS: &str = "clipdraw_predictions_total";

/// Predictions that have a slot.
pub const RUNNING: &str = "clipdraw_predictions_running";

/// Predictions that wait for a slot.
pub const WAITING: &str = "clipdraw_predictions_waiting";

/// Seconds from the start of a drawing to its final word, by `status`.
pub const DURATION: &str = "clipdraw_prediction_duration_seconds";

/// Optimisation steps of all drawings.
pub const STEPS: &str = "clipdraw_steps_total";

/// Times that the model failed or panicked.
pub const FAULTS: &str = "clipdraw_worker_faults_total";

pub(super) fn occupancy((running, waiting): &(usize, usize)) {
    gauge!(RUNNING).set(*running as f64);
    gauge!(WAITING).set(*waiting as f64);
}

pub(super) fn finished(status: Status, seconds: f64) {
    counter!(PREDICTIONS, "status" => status.as_str()).increment(1);
    histogram!(DURATION, "status" => status.as_str()).record(seconds);
}

pub(super) fn steps(count: usize) {
    counter!(STEPS).increment(count as u64);
}

pub(super) fn fault() {
    counter!(FAULTS).increment(1);
}
