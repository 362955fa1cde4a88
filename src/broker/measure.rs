//! The numbers of the broker for Prometheus.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::telemetry::metric;

pub(super) fn call(script: &'static str, time: Duration) {
    histogram!(metric::BROKER_DURATION, "request" => script).record(time);
}

pub(super) fn failure() {
    counter!(metric::BROKER_FAILURES).increment(1);
}

pub(super) fn lease_lost() {
    counter!(metric::LEASES_LOST).increment(1);
}

pub(super) fn redrawn() {
    counter!(metric::PREDICTIONS_REDRAWN).increment(1);
}

/// What waits in the broker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Occupancy {
    pub(super) running: usize,
    pub(super) waiting: usize,
    /// The age of the oldest unfinished prediction.
    pub(super) oldest: Duration,
    /// The length of the dead list.
    pub(super) dead: usize,
}

pub(super) fn backlog(backlog: Occupancy) {
    gauge!(metric::BROKER_RUNNING).set(backlog.running as f64);
    gauge!(metric::BROKER_WAITING).set(backlog.waiting as f64);
    gauge!(metric::BROKER_OLDEST).set(backlog.oldest.as_secs_f64());
    gauge!(metric::BROKER_DEAD).set(backlog.dead as f64);
}

pub(super) fn held(leases: usize) {
    gauge!(metric::PREDICTIONS_RUNNING).set(leases as f64);
}
