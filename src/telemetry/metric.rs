//! The metrics that `GET /metrics` returns: every name, with its unit and its labels.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Counter of finished predictions; label `status`: succeeded, canceled or failed.
pub const PREDICTIONS: &str = "clipdraw_predictions_total";

/// Gauge of predictions that have a slot.
pub const PREDICTIONS_RUNNING: &str = "clipdraw_predictions_running";

/// Gauge of predictions that wait for a slot.
pub const PREDICTIONS_WAITING: &str = "clipdraw_predictions_waiting";

/// Histogram of the time from the start of a drawing to its end, in seconds; label `status`.
pub const PREDICTION_DURATION: &str = "clipdraw_prediction_duration_seconds";

/// Counter of optimization steps of all drawings.
pub const STEPS: &str = "clipdraw_steps_total";

/// Counter of failures and panics of the model.
pub const WORKER_FAULTS: &str = "clipdraw_worker_faults_total";

/// Gauge of the steps a second of all drawings, over the last run of steps on a GPU.
pub const GPU_STEPS_PER_SECOND: &str = "clipdraw_gpu_steps_per_second";

/// Gauge of the GPU's memory in bytes; label `kind`: total, free (used by no program), reserved (held by this one) and
/// allocated (used by this one).
pub const GPU_MEMORY: &str = "clipdraw_gpu_memory_bytes";

/// Counter of steps that were captured as CUDA graphs.
pub const GPU_CAPTURES: &str = "clipdraw_gpu_graph_captures_total";

/// Counter of captures that failed, after which steps go on without CUDA graphs.
pub const GPU_CAPTURE_FAILURES: &str = "clipdraw_gpu_graph_failures_total";

/// Counter of runs of steps that were repeated because there was too little room for strokes.
pub const GPU_REPEATED_RUNS: &str = "clipdraw_gpu_repeated_runs_total";

/// Counter of commits of the store in a file.
pub const STORE_COMMITS: &str = "clipdraw_store_commits_total";

/// Counter of operations that these commits have written.
pub const STORE_OPERATIONS: &str = "clipdraw_store_operations_total";

/// Histogram of the time for a commit of the store, in seconds.
pub const STORE_COMMIT_DURATION: &str = "clipdraw_store_commit_duration_seconds";

/// Counter of attempts to write that failed, for example because the disk is full.
pub const STORE_FAILURES: &str = "clipdraw_store_failures_total";

/// Gauge of the size of the store's file in bytes.
pub const STORE_BYTES: &str = "clipdraw_store_bytes";

/// Histogram of the time for a request to the broker, in seconds; label `request`: the name of its script.
pub const BROKER_DURATION: &str = "clipdraw_broker_request_duration_seconds";

/// Counter of requests to the broker that failed.
pub const BROKER_FAILURES: &str = "clipdraw_broker_failures_total";

/// Gauge of predictions that a worker of any machine draws.
pub const BROKER_RUNNING: &str = "clipdraw_broker_predictions_running";

/// Gauge of predictions that wait for a worker.
pub const BROKER_WAITING: &str = "clipdraw_broker_predictions_waiting";

/// Gauge of the age of the oldest unfinished prediction in the broker, in seconds.
pub const BROKER_OLDEST: &str = "clipdraw_broker_oldest_prediction_seconds";

/// Gauge of the length of the broker's dead list.
pub const BROKER_DEAD: &str = "clipdraw_broker_dead";

/// Counter of leases that this worker has lost.
pub const LEASES_LOST: &str = "clipdraw_leases_lost_total";

/// Counter of predictions that this worker has taken over from a worker that was lost.
pub const PREDICTIONS_REDRAWN: &str = "clipdraw_predictions_redrawn_total";

/// Counter of webhooks; labels `event` (start, output, logs, completed) and `outcome`.
pub const WEBHOOKS: &str = "clipdraw_webhooks_total";

/// Histogram of the time for a webhook with all its attempts, in seconds; label `event`.
pub const WEBHOOK_DURATION: &str = "clipdraw_webhook_duration_seconds";

/// Counter of uploaded files; label `outcome`.
pub const UPLOADS: &str = "clipdraw_uploads_total";

/// Histogram of the time for an upload with all its attempts, in seconds.
pub const UPLOAD_DURATION: &str = "clipdraw_upload_duration_seconds";

/// Gauge of open event streams.
pub const STREAM_SUBSCRIBERS: &str = "clipdraw_stream_subscribers";

/// Histogram of the time until the head of a response is ready, in seconds; labels `method`, `route`
/// (the pattern, not the path; `<unmatched>` for unknown paths) and `status`.
pub const HTTP_DURATION: &str = "http_request_duration_seconds";

/// Gauge that is always 1; label `version`.
pub const BUILD: &str = "clipdraw_build_info";

/// Upper bounds of the buckets of predictions, in seconds: from tiny drawings on a GPU to thousands of
/// steps on a CPU.
const PREDICTION_BUCKETS: [f64; 13] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// Upper bounds of the buckets of requests, in seconds: from a health check to a drawing that the
/// client waits for.
const HTTP_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0,
];

/// Installs the recorder at the first call, and returns a handle to read the metrics.
///
/// The recorder is global: it counts for the whole process, not for one server.
pub fn collect() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let buckets: [(&str, &[f64]); 6] = [
        (PREDICTION_DURATION, &PREDICTION_BUCKETS),
        (WEBHOOK_DURATION, &HTTP_BUCKETS),
        (UPLOAD_DURATION, &HTTP_BUCKETS),
        (HTTP_DURATION, &HTTP_BUCKETS),
        (STORE_COMMIT_DURATION, &HTTP_BUCKETS),
        (BROKER_DURATION, &HTTP_BUCKETS),
    ];
    let builder = PrometheusBuilder::new();
    let builder = buckets.iter().fold(builder, |builder, (name, bounds)| {
        builder
            .set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)
            .expect("the list of buckets is not empty")
    });
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A program that uses this library may have its own recorder. Then the metrics go there, and this
    // handle is empty.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another metrics recorder is installed already");
    }
    describe();
    handle
}

fn describe() {
    let seconds = Unit::Seconds;
    describe_counter!(PREDICTIONS, "Finished predictions.");
    describe_gauge!(PREDICTIONS_RUNNING, "Predictions that have a slot.");
    describe_gauge!(PREDICTIONS_WAITING, "Predictions that wait for a slot.");
    describe_histogram!(
        PREDICTION_DURATION,
        seconds,
        "Time from the start of a drawing to its end."
    );
    describe_counter!(STEPS, "Optimization steps of all drawings.");
    describe_counter!(WORKER_FAULTS, "Failures and panics of the model.");
    describe_gauge!(
        GPU_STEPS_PER_SECOND,
        "Steps a second of all drawings on the GPU."
    );
    describe_gauge!(GPU_MEMORY, Unit::Bytes, "Memory of the GPU.");
    describe_counter!(GPU_CAPTURES, "Steps captured as CUDA graphs.");
    describe_counter!(
        GPU_CAPTURE_FAILURES,
        "Captures that failed; steps then go on without CUDA graphs."
    );
    describe_counter!(
        GPU_REPEATED_RUNS,
        "Runs of steps repeated with more room for strokes."
    );
    describe_counter!(STORE_COMMITS, "Commits of the store in a file.");
    describe_counter!(STORE_OPERATIONS, "Operations written by these commits.");
    describe_histogram!(
        STORE_COMMIT_DURATION,
        seconds,
        "Time for a commit of the store."
    );
    describe_counter!(STORE_FAILURES, "Failed attempts of the store to write.");
    describe_gauge!(STORE_BYTES, Unit::Bytes, "Size of the store's file.");
    describe_broker();
    describe_counter!(WEBHOOKS, "Webhooks sent or given up.");
    describe_histogram!(
        WEBHOOK_DURATION,
        seconds,
        "Time for a webhook with all its attempts."
    );
    describe_counter!(UPLOADS, "Files uploaded or given up.");
    describe_histogram!(
        UPLOAD_DURATION,
        seconds,
        "Time for an upload with all its attempts."
    );
    describe_gauge!(STREAM_SUBSCRIBERS, "Open event streams.");
    describe_histogram!(
        HTTP_DURATION,
        seconds,
        "Time until the head of a response is ready."
    );
    describe_gauge!(BUILD, "The running version; always 1.");
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for name in [PREDICTIONS_RUNNING, PREDICTIONS_WAITING, STREAM_SUBSCRIBERS] {
        gauge!(name).set(0.0);
    }
}

fn describe_broker() {
    let seconds = Unit::Seconds;
    describe_histogram!(
        BROKER_DURATION,
        seconds,
        "Time for a request to the broker."
    );
    describe_counter!(BROKER_FAILURES, "Failed requests to the broker.");
    describe_gauge!(BROKER_RUNNING, "Predictions that a worker draws.");
    describe_gauge!(BROKER_WAITING, "Predictions that wait for a worker.");
    describe_gauge!(
        BROKER_OLDEST,
        seconds,
        "Age of the oldest unfinished prediction."
    );
    describe_gauge!(BROKER_DEAD, "Length of the dead list.");
    describe_counter!(LEASES_LOST, "Leases that this worker has lost.");
    describe_counter!(
        PREDICTIONS_REDRAWN,
        "Predictions taken over from lost workers."
    );
}

#[cfg(test)]
mod tests {
    use metrics::histogram;

    use super::*;

    #[test]
    fn times_are_counted_in_buckets_and_metrics_are_described() {
        let handle = collect();
        histogram!(PREDICTION_DURATION, "status" => "succeeded").record(0.2);
        let text = handle.render();
        for line in [
            "clipdraw_prediction_duration_seconds_bucket{status=\"succeeded\",le=\"0.1\"} 0",
            "clipdraw_prediction_duration_seconds_bucket{status=\"succeeded\",le=\"0.25\"} 1",
            "# HELP clipdraw_prediction_duration_seconds Time from",
            "clipdraw_predictions_waiting 0",
            concat!(
                "clipdraw_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
