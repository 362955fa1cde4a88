//! The server's periodic and delayed tasks: the setup timeout, the ready file, and metrics upkeep.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{interval, sleep};
use tracing::{info, warn};

use crate::cog::HealthStatus;
use crate::environment;
use crate::service::{InputFileStore, Service};
use crate::telemetry::metric;

/// How often the metrics are aggregated, which limits the memory that they use.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How often the health is polled while the model is loaded.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often files that have expired are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_mins(5);

/// The file that Cog's readiness probe in Kubernetes looks for.
const READY_FILE: &str = "/var/run/cog/ready";

/// Runs the tasks; it never returns.
pub(super) async fn run(service: Arc<Service>, setup_timeout: Option<Duration>) {
    tokio::join!(
        time_out_setup(&service, setup_timeout),
        write_ready_file(&service),
        aggregate_metrics(),
    );
}

/// Removes files of clients that have expired, from time to time; it never returns.
pub(super) async fn remove_expired(files: Arc<dyn InputFileStore>) {
    let mut ticks = interval(EXPIRY_INTERVAL);
    loop {
        ticks.tick().await;
        files.remove_expired().await;
    }
}

/// Reports the setup as failed if the model is not loaded in time. Zero means no limit, as in Cog.
async fn time_out_setup(service: &Service, limit: Option<Duration>) {
    if let Some(limit) = limit.filter(|limit| !limit.is_zero()) {
        sleep(limit).await;
        service.readiness().time_out_setup();
    }
}

async fn aggregate_metrics() {
    let metrics = metric::collect();
    let mut upkeep = interval(UPKEEP_INTERVAL);
    loop {
        upkeep.tick().await;
        metrics.run_upkeep();
    }
}

/// Writes [`READY_FILE`] in Kubernetes as soon as the server is ready.
async fn write_ready_file(service: &Service) {
    if !environment::in_kubernetes() {
        return;
    }
    while service.health().await.status != HealthStatus::Ready {
        sleep(POLL_INTERVAL).await;
    }
    let written = tokio::task::spawn_blocking(|| {
        let file = Path::new(READY_FILE);
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(file, [])
    });
    match written.await {
        Ok(Ok(())) => info!(file = READY_FILE, "wrote the ready file"),
        Ok(Err(error)) => warn!(%error, file = READY_FILE, "cannot write the ready file"),
        Err(error) => warn!(%error, file = READY_FILE, "cannot write the ready file"),
    }
}
