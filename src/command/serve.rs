//! `clipdraw serve`: joins the parts, serves, and stops in good order.

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
use super::signals::{self, Ending};
use crate::cog::HealthStatus;
use crate::delivery::Files;
use crate::delivery::webhook::Sender;
use crate::environment;
use crate::http::{self, listen};
use crate::service::{Backends, ClipEngine, EngineError, Service, worker};
use crate::telemetry::metric;

/// How long predictions that were cancelled at the end have for their final word; a step of the
/// largest drawing takes seconds.
const CANCELLING: Duration = Duration::from_secs(10);

/// How long the last answers and webhooks have to leave.
const LEAVING: Duration = Duration::from_secs(8);

/// How long the thread that draws is waited for when nothing is left to draw.
const THREAD: Duration = Duration::from_secs(2);

/// How often the collected numbers are summed up, so that they take no more and more memory.
const SUMMING: Duration = Duration::from_secs(5);

/// How often the state is looked at until the server is ready for the first time.
const LOOKING: Duration = Duration::from_millis(100);

/// The file that tells Kubernetes that a server of Cog is ready.
const READY_FILE: &str = "/var/run/cog/ready";

/// Serves until a signal or `POST /shutdown`. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// When an option cannot be used here, or the port is taken.
pub fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let (status, thread) = serve(arguments)?;
    if thread == Thread::Left {
        // The usual end of a program would pull libtorch away from under the thread.
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
        .context("the runtime of the server cannot be started")?;
    let outcome = runtime.block_on(Server::start_and_end(arguments));
    // What still runs has been given up.
    runtime.shutdown_background();
    outcome
}

/// What became of the thread that draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It has ended.
    Ended,
    /// It is in the middle of something that cannot be interrupted.
    Left,
}

/// The running parts.
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
    async fn start_and_end(arguments: &ServeArguments) -> anyhow::Result<(u8, Thread)> {
        let signal = signals::watch(arguments.termination())?;
        let server = Self::start(arguments).await?;
        let ending = tokio::select! {
            ending = signal => ending.ok(),
            () = server.stop.cancelled() => None,
        };
        info!(?ending, "shutting down");
        let thread = server.end(arguments.stopping.shutdown_grace).await;
        Ok((ending.map_or(0, Ending::orderly_status), thread))
    }

    async fn start(arguments: &ServeArguments) -> anyhow::Result<Self> {
        let client = arguments.client()?;
        let destination = arguments.destination(&client)?;
        let limits = arguments.service_limits();
        let files = Arc::new(Files::new(Arc::clone(&client)));
        let service = Service::new(limits, Backends::in_memory(limits, files));
        let webhooks = Arc::new(arguments.webhooks(&client)?);
        let stop = CancellationToken::new();
        let router = http::router(http::Settings {
            service: Arc::clone(&service),
            client,
            destination,
            webhooks: Arc::clone(&webhooks),
            stop: stop.clone(),
            numbers: metric::collect(),
            access_token: arguments.access_token(),
            cors_origins: arguments.listening.cors_origin.clone(),
            limits: arguments.request_limits(),
        });
        let listener = bind(arguments).await?;
        let closing = CancellationToken::new();
        let connections = listen::serve(listener, router, arguments.patience(), closing.clone());
        let worker = start_worker(arguments, &service)?;
        tokio::spawn(look_after(
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

    /// Takes no new work, lets the old finish, and leaves nobody without a final word.
    async fn end(self, grace: Duration) -> Thread {
        self.service.close().await;
        self.closing.cancel();
        if timeout(grace, self.service.drained()).await.is_err() {
            warn!("predictions that have not finished are cancelled");
            self.service.cancel_all().await;
            if timeout(CANCELLING, self.service.drained()).await.is_err() {
                warn!("the thread that draws does not answer");
                self.service.cancel_now();
                self.service.drained().await;
            }
        }
        self.webhooks.shorten_retries();
        let (answers, told) = tokio::join!(
            timeout(LEAVING, self.connections),
            timeout(LEAVING, self.webhooks.idle())
        );
        if answers.is_err() {
            warn!("clients that do not take their answer are left");
        }
        if told.is_err() {
            let pending = self.webhooks.pending();
            warn!(pending, "receivers of webhooks that do not answer are left");
        }
        let ended = async {
            while !self.worker.is_finished() {
                sleep(LOOKING).await;
            }
        };
        let thread = match timeout(THREAD, ended).await {
            Ok(()) => Thread::Ended,
            Err(_) => Thread::Left,
        };
        info!(?thread, "good bye");
        thread
    }
}

async fn bind(arguments: &ServeArguments) -> anyhow::Result<TcpListener> {
    let listening = &arguments.listening;
    let address = SocketAddr::new(listening.host, listening.port);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}, choose another place with --port (or PORT) and --host")
    })?;
    let address = listener.local_addr().context("the port is not known")?;
    info!(%address, "listening");
    Ok(listener)
}

fn start_worker(
    arguments: &ServeArguments,
    service: &Arc<Service>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let compute = arguments.compute.clone();
    // A name that means nothing is a mistake in the command, which shall not look like one of
    // the model.
    compute.device.resolve().context("--device")?;
    compute.weights.resolve().context("--weights")?;
    let load = move || {
        let (clip, provenance) = model::load(&compute).map_err(EngineError::new)?;
        Ok(ClipEngine::new(clip, provenance))
    };
    worker::start(Arc::clone(service), Box::new(load)).context("no thread can be started to draw")
}

/// What has to be done from time to time.
async fn look_after(service: Arc<Service>, setup_timeout: Option<Duration>) {
    let numbers = metric::collect();
    let mut summing = interval(SUMMING);
    let setup = async {
        match setup_timeout.filter(|limit| !limit.is_zero()) {
            Some(limit) => sleep(limit).await,
            None => std::future::pending().await,
        }
        service.readiness().time_out_setup();
    };
    let ready = tell_kubernetes(&service);
    tokio::join!(setup, ready, async {
        loop {
            summing.tick().await;
            numbers.run_upkeep();
        }
    });
}

/// Writes the file that a probe of Kubernetes looks for, as soon as the server is ready.
async fn tell_kubernetes(service: &Service) {
    if !environment::in_kubernetes() {
        return;
    }
    while service.health().await.status != HealthStatus::Ready {
        sleep(LOOKING).await;
    }
    let written = tokio::task::spawn_blocking(|| {
        let file = Path::new(READY_FILE);
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(file, [])
    });
    match written.await {
        Ok(Ok(())) => info!(file = READY_FILE, "told Kubernetes"),
        Ok(Err(error)) => warn!(%error, file = READY_FILE, "Kubernetes cannot be told"),
        Err(error) => warn!(%error, file = READY_FILE, "Kubernetes cannot be told"),
    }
}
