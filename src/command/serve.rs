//! `clipdraw serve`: starts the server's parts, serves requests, and shuts down gracefully.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use signal_hook::low_level::exit;
use tokio::net::TcpListener;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::model;
use super::serve_arguments::ServeArguments;
use super::signals::{self, ShutdownSignal};
use crate::cog::HealthStatus;
use crate::delivery::Files;
use crate::delivery::webhook::Sender;
use crate::environment;
use crate::http::{self, listen};
use crate::service::{Backends, ClipEngine, EngineError, Service, worker};
use crate::telemetry::metric;

/// How long cancelled predictions have to finish during shutdown; a step of the largest drawing
/// takes seconds.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last responses and webhooks have to be delivered.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);

/// How long to wait for the drawing thread once its queue is empty.
const THREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the metrics are aggregated, which bounds the memory that they take.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How often a state is polled while the server starts or stops.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The file that Cog's readiness probe in Kubernetes looks for.
const READY_FILE: &str = "/var/run/cog/ready";

/// Serves until a signal or `POST /shutdown`. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// If an option cannot be used on this machine, or the port is in use.
pub fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let (status, thread) = serve(arguments)?;
    if thread == Thread::Running {
        // A normal exit would run libtorch's destructors while the thread still uses it.
        exit(status.into());
    }
    Ok(ExitCode::from(status))
}

fn serve(arguments: &ServeArguments) -> anyhow::Result<(u8, Thread)> {
    let _logs = arguments.log_settings().install()?;
    model::set_threads(&arguments.compute)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the server's runtime")?;
    let outcome = runtime.block_on(Server::run(arguments));
    // Tasks that are still running have been abandoned.
    runtime.shutdown_background();
    outcome
}

/// The state of the drawing thread at the end of the shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It has ended.
    Ended,
    /// It is still running and cannot be interrupted.
    Running,
}

/// The running parts of the server.
struct Server {
    service: Arc<Service>,
    webhooks: Arc<Sender>,
    worker: thread::JoinHandle<()>,
    connections: tokio::task::JoinHandle<()>,
    /// Cancelled to refuse new connections.
    closing: CancellationToken,
    /// Cancelled by `POST /shutdown`.
    stop: CancellationToken,
}

impl Server {
    async fn run(arguments: &ServeArguments) -> anyhow::Result<(u8, Thread)> {
        let signal = signals::watch(arguments.termination())?;
        let server = Self::start(arguments).await?;
        let received = tokio::select! {
            received = signal => received.ok(),
            () = server.stop.cancelled() => None,
        };
        info!(?received, "shutting down");
        let thread = server.shut_down(arguments.stopping.shutdown_grace).await;
        Ok((received.map_or(0, ShutdownSignal::graceful_status), thread))
    }

    async fn start(arguments: &ServeArguments) -> anyhow::Result<Self> {
        let client = arguments.client()?;
        let destination = arguments.destination(&client)?;
        let limits = arguments.service_limits();
        let files = Arc::new(Files::new(Arc::clone(&client)));
        let service = Service::new(limits, Backends::in_memory(limits, files));
        let webhooks = Arc::new(arguments.webhooks(&client)?);
        let stop = CancellationToken::new();
        let dependencies = http::Dependencies {
            service: Arc::clone(&service),
            client,
            destination,
            webhooks: Arc::clone(&webhooks),
            stop: stop.clone(),
            metrics: metric::collect(),
        };
        let config = http::ServerConfig {
            access_token: arguments.access_token(),
            cors_origins: arguments.listening.cors_origin.clone(),
            limits: arguments.request_limits(),
        };
        let router = http::router(dependencies, config);
        let listener = bind(arguments).await?;
        let closing = CancellationToken::new();
        let connections = listen::serve(
            listener,
            router,
            arguments.connection_timeouts(),
            closing.clone(),
        );
        let worker = start_worker(arguments, &service)?;
        tokio::spawn(run_background_tasks(
            Arc::clone(&service),
            arguments.work.setup_timeout,
        ));
        Ok(Self {
            service,
            webhooks,
            worker,
            connections: tokio::spawn(connections),
            closing,
            stop,
        })
    }

    /// Stops accepting work, lets running predictions finish within `grace`, and delivers every
    /// last response and webhook.
    async fn shut_down(self, grace: Duration) -> Thread {
        self.service.close().await;
        self.closing.cancel();
        if timeout(grace, self.service.drained()).await.is_err() {
            warn!("cancelling predictions that have not finished");
            self.service.cancel_all().await;
            if timeout(CANCEL_TIMEOUT, self.service.drained())
                .await
                .is_err()
            {
                warn!("the drawing thread does not respond");
                self.service.cancel_now();
                self.service.drained().await;
            }
        }
        self.webhooks.shorten_retries();
        let (responses, webhooks) = tokio::join!(
            timeout(DELIVERY_TIMEOUT, self.connections),
            timeout(DELIVERY_TIMEOUT, self.webhooks.idle())
        );
        if responses.is_err() {
            warn!("closing connections of clients that do not read their response");
        }
        if webhooks.is_err() {
            let pending = self.webhooks.pending();
            warn!(
                pending,
                "abandoning webhooks whose receivers do not respond"
            );
        }
        let ended = async {
            while !self.worker.is_finished() {
                sleep(POLL_INTERVAL).await;
            }
        };
        let thread = match timeout(THREAD_TIMEOUT, ended).await {
            Ok(()) => Thread::Ended,
            Err(_) => Thread::Running,
        };
        info!(?thread, "shut down");
        thread
    }
}

async fn bind(arguments: &ServeArguments) -> anyhow::Result<TcpListener> {
    let listening = &arguments.listening;
    let address = SocketAddr::new(listening.host, listening.port);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}, choose another address with --port (or PORT) and --host"
        )
    })?;
    let address = listener.local_addr().context("cannot read the port")?;
    info!(%address, "listening");
    Ok(listener)
}

fn start_worker(
    arguments: &ServeArguments,
    service: &Arc<Service>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let compute = arguments.compute.clone();
    // An unknown name is a mistake in the command line. It is reported now, and not as a failure to
    // load the model.
    compute.device.resolve().context("--device")?;
    compute.weights.resolve().context("--weights")?;
    let load = move || {
        let model = model::load(&compute).map_err(EngineError::new)?;
        for warning in model.warnings {
            warn!("{warning}");
        }
        Ok(ClipEngine::new(model.clip, model.provenance))
    };
    worker::start(Arc::clone(service), Box::new(load)).context("cannot start the drawing thread")
}

/// Runs the periodic and delayed tasks: the setup timeout, the ready file, and metrics upkeep.
async fn run_background_tasks(service: Arc<Service>, setup_timeout: Option<Duration>) {
    let numbers = metric::collect();
    let mut upkeep = interval(UPKEEP_INTERVAL);
    let setup = async {
        match setup_timeout.filter(|limit| !limit.is_zero()) {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
        service.readiness().time_out_setup();
    };
    let ready = write_ready_file(&service);
    tokio::join!(setup, ready, async {
        loop {
            upkeep.tick().await;
            numbers.run_upkeep();
        }
    });
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
