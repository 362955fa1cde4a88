//! The numbers of the service for Prometheus.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::cog::Status;
use crate::telemetry::metric;

pub(super) fn occupancy(running: usize, waiting: usize) {
    gauge!(metric::PREDICTIONS_RUNNING).set(running as f64);
    gauge!(metric::PREDICTIONS_WAITING).set(waiting as f64);
}

pub(super) fn finished(status: Status, seconds: f64) {
    counter!(metric::PREDICTIONS, "status" => status.as_str()).increment(1);
    histogram!(metric::PREDICTION_DURATION, "status" => status.as_str()).record(seconds);
}

pub(super) fn steps(count: usize) {
    counter!(metric::STEPS).increment(count as u64);
}

pub(super) fn store_commit(operations: usize, time: Duration) {
    counter!(metric::STORE_COMMITS).increment(1);
    counter!(metric::STORE_OPERATIONS).increment(operations as u64);
    histogram!(metric::STORE_COMMIT_DURATION).record(time);
}

pub(super) fn store_failure() {
    counter!(metric::STORE_FAILURES).increment(1);
}

pub(super) fn store_bytes(bytes: i64) {
    gauge!(metric::STORE_BYTES).set(bytes as f64);
}

pub(super) fn fault() {
    counter!(metric::WORKER_FAULTS).increment(1);
}
