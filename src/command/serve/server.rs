//! Starts the parts of the server, and shuts them down gracefully at a signal or `POST /shutdown`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::arguments::ServeArguments;
use super::broker::{self, Shared, Task};
use super::{background, settings, store};
use crate::broker::{Broker, HookRunner, RedisInputFiles, Role, sweep, upkeep};
use crate::command::signals::{self, StopSignal};
use crate::delivery::webhook::WebhookSender;
use crate::delivery::{Client, Downloader, UploadingFileSink};
use crate::errors::chain;
use crate::http;
use crate::replicate::Api;
use crate::service::{
    Backends, ClipEngine, EngineError, InputFileStore, KeptFileSource, Limits, LocalInputFiles,
    Service, Store, worker,
};
use crate::telemetry::metric;

/// How long cancelled predictions have to finish during shutdown; a step of the largest drawing
/// takes seconds.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last responses and webhooks have to be delivered.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);

/// How long the store has to write what has happened last.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the drawing thread once its queue is empty.
const THREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the drawing thread is polled during shutdown.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often a store that does not answer yet is asked for the secret. The server is not ready before it has it.
const SECRET_INTERVAL: Duration = Duration::from_millis(100);

/// The state of the worker's thread at the end of the shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerThread {
    /// It has ended.
    Ended,
    /// It is still running and cannot be interrupted.
    Running,
}

/// What happens to predictions that do not finish within the grace of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    Cancelled,
    /// Those that a restart would draw again are left to the next start.
    Kept,
}

/// The running parts of the server.
pub(super) struct Server {
    service: Arc<Service>,
    store: Arc<dyn Store>,
    webhooks: Arc<WebhookSender>,
    /// Sends webhooks of predictions of all machines.
    hooks: Option<HookRunner>,
    /// The drawing thread, if this process draws.
    worker: Option<thread::JoinHandle<()>>,
    connections: tokio::task::JoinHandle<()>,
    /// Cancelled to refuse new connections.
    closing: CancellationToken,
    /// Cancelled by `POST /shutdown`.
    stop: CancellationToken,
}

impl Server {
    /// Serves until a signal or `POST /shutdown`, and shuts down. `on_listening` gets the address. Returns the exit status and the state of
    /// the worker's thread.
    ///
    /// # Errors
    /// If an argument cannot be used on this machine, or the port is in use.
    pub(super) async fn run(
        arguments: &ServeArguments,
        task: Task,
        on_listening: impl FnOnce(SocketAddr),
    ) -> anyhow::Result<(u8, WorkerThread)> {
        let signal = signals::watch(settings::sigterm_policy(&arguments.shutdown))?;
        let server = Self::start(arguments, task, on_listening).await?;
        let received = tokio::select! {
            received = signal => received.ok(),
            () = server.stop.cancelled() => None,
        };
        info!(?received, "shutting down");
        let unfinished = if arguments.store.keep_on_shutdown || server.store.is_shared() {
            Unfinished::Kept
        } else {
            Unfinished::Cancelled
        };
        let grace = arguments.shutdown.shutdown_grace;
        let worker = server.shut_down(grace, unfinished).await;
        Ok((received.map_or(0, exit_status), worker))
    }

    async fn start(
        arguments: &ServeArguments,
        task: Task,
        on_listening: impl FnOnce(SocketAddr),
    ) -> anyhow::Result<Self> {
        let client = settings::client(&arguments.delivery)?;
        let destination = settings::destination(&arguments.delivery, &client)?;
        let mut limits = settings::service_limits(arguments);
        let shared = broker::open(arguments, task)?;
        if shared.is_some() {
            limits.queue = broker::capacity(&arguments.broker);
        }
        let Opened {
            backends,
            input_files,
        } = open_backends(arguments, limits, shared.as_ref(), &client)?;
        let store = Arc::clone(&backends.store);
        let service = Service::new(limits, backends);
        let api = Arc::new(settings::api(arguments, &*store).await?);
        let webhooks = settings::webhook_sender(&arguments.delivery, &client)?;
        let webhooks = webhooks.with_store(Arc::clone(&store));
        let webhooks = Arc::new(webhooks.with_api(Arc::clone(&api)));
        let stop = CancellationToken::new();
        let dependencies = http::Dependencies {
            service: Arc::clone(&service),
            client,
            destination,
            webhooks: Arc::clone(&webhooks),
            api: Arc::clone(&api),
            input_files: Arc::clone(&input_files),
            stop: stop.clone(),
            metrics: metric::collect(),
        };
        let router = router(task, dependencies, settings::server_config(arguments));
        let (listener, address) = bind(arguments).await?;
        let closing = CancellationToken::new();
        let connections = http::serve(
            listener,
            router,
            settings::connection_limits(&arguments.requests),
            closing.clone(),
        );
        // The server is not ready before its worker has loaded the model, so nothing new is accepted before this.
        recover(&service, &webhooks).await?;
        let has_secret = secret_taken(task, &store, api);
        let hooks = shared.and_then(|shared| {
            start_upkeep(arguments, task, &shared.broker, &service);
            start_hooks(task, shared, &webhooks, &has_secret)
        });
        let worker = start_worker(arguments, &service, has_secret)?;
        let setup_timeout = arguments.predictions.setup_timeout;
        tokio::spawn(background::run(Arc::clone(&service), setup_timeout));
        tokio::spawn(background::remove_expired(input_files));
        on_listening(address);
        Ok(Self {
            service,
            store,
            webhooks,
            hooks,
            worker,
            connections: tokio::spawn(connections),
            closing,
            stop,
        })
    }

    /// Stops accepting work, lets running predictions finish within `grace`, and delivers the last
    /// responses and webhooks.
    async fn shut_down(self, grace: Duration, unfinished: Unfinished) -> WorkerThread {
        self.service.close().await;
        self.closing.cancel();
        if timeout(grace, self.service.drained()).await.is_err() {
            match unfinished {
                Unfinished::Cancelled => {
                    warn!("cancelling predictions that have not finished");
                    self.service.cancel_all().await;
                }
                Unfinished::Kept => {
                    warn!(
                        "leaving predictions that have not finished to the next start, or to other machines"
                    );
                    self.service.suspend_all().await;
                }
            }
            if timeout(CANCEL_TIMEOUT, self.service.drained())
                .await
                .is_err()
            {
                warn!("the drawing thread does not respond");
                self.service.cancel_now();
                self.service.drained().await;
            }
        }
        self.leave_to_others().await;
        self.webhooks.shorten_retries();
        let (responses, webhooks) = tokio::join!(
            timeout(DELIVERY_TIMEOUT, self.connections),
            timeout(DELIVERY_TIMEOUT, self.webhooks.wait_until_idle())
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
        if timeout(STORE_TIMEOUT, self.store.close()).await.is_err() {
            warn!("the store does not respond");
        }
        let thread = wait_for(self.worker).await;
        info!(?thread, "shut down");
        thread
    }

    /// Leaves what others draw to other front ends, in a process that shares a broker.
    async fn leave_to_others(&self) {
        if self.store.is_shared() {
            // Clients that follow a prediction are to ask another front end.
            self.service.suspend_all().await;
        }
        if let Some(hooks) = &self.hooks
            && timeout(DELIVERY_TIMEOUT, hooks.stop()).await.is_err()
        {
            warn!("the broker does not respond");
        }
    }
}

/// Waits a while until the drawing thread has ended.
async fn wait_for(worker: Option<thread::JoinHandle<()>>) -> WorkerThread {
    let ended = async {
        while worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            sleep(POLL_INTERVAL).await;
        }
    };
    match timeout(THREAD_TIMEOUT, ended).await {
        Ok(()) => WorkerThread::Ended,
        Err(_) => WorkerThread::Running,
    }
}

/// The replaceable parts of the service, and where the files of clients are.
struct Opened {
    backends: Backends,
    input_files: Arc<dyn InputFileStore>,
}

/// Opens the queue and the store of a broker, or of this process alone, and what sends and fetches files.
fn open_backends(
    arguments: &ServeArguments,
    limits: Limits,
    shared: Option<&Shared>,
    client: &Arc<Client>,
) -> anyhow::Result<Opened> {
    let files = Arc::new(UploadingFileSink::new(Arc::clone(client)));
    let mut backends = Backends::in_memory(limits, files);
    if let Some(shared) = shared {
        backends.store = Arc::clone(&shared.store);
        backends.queue = Arc::clone(&shared.queue);
    } else {
        backends.store = tokio::task::block_in_place(|| store::open(&arguments.store, limits))?;
    }
    let limits = settings::input_file_limits(&arguments.replicate);
    let input_files: Arc<dyn InputFileStore> = match (shared, backends.store.folder()) {
        (Some(shared), _) => Arc::new(RedisInputFiles::new(Arc::clone(&shared.broker), limits)),
        (None, Some(folder)) => Arc::new(LocalInputFiles::open(folder, limits)),
        (None, None) => Arc::new(LocalInputFiles::in_memory(limits)),
    };
    let downloader = Arc::new(Downloader::new(Arc::clone(client)));
    backends.sources = Arc::new(KeptFileSource::new(Arc::clone(&input_files), downloader));
    Ok(Opened {
        backends,
        input_files,
    })
}

/// Starts what a process does from time to time if it shares a broker.
fn start_upkeep(
    arguments: &ServeArguments,
    task: Task,
    broker: &Arc<Broker>,
    service: &Arc<Service>,
) {
    let role = match arguments.predictions.slots {
        0 => Role::FrontEnd,
        _ => Role::Worker,
    };
    tokio::spawn(upkeep(Arc::clone(broker), Arc::clone(service), role));
    if task == Task::Serve {
        tokio::spawn(sweep(Arc::clone(broker)));
    }
}

/// Queues what earlier processes have left unfinished, and continues to send its webhooks.
async fn recover(service: &Arc<Service>, webhooks: &WebhookSender) -> anyhow::Result<()> {
    let undelivered = service.recover().await;
    for undelivered in undelivered.context("cannot read the store")? {
        let id = undelivered.prediction.id().to_owned();
        if let Err(error) = webhooks.resume(undelivered) {
            warn!(
                id,
                error = chain(&error),
                "the webhooks of a prediction are lost"
            );
        }
    }
    Ok(())
}

async fn bind(arguments: &ServeArguments) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let requests = &arguments.requests;
    let address = SocketAddr::new(requests.host, requests.port);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}, choose another address with --port (or PORT) and --host"
        )
    })?;
    let address = listener.local_addr().context("cannot read the port")?;
    info!(%address, "listening");
    Ok((listener, address))
}

fn router(task: Task, dependencies: http::Dependencies, config: http::ServerConfig) -> Router {
    match task {
        Task::Serve => http::router(dependencies, config),
        Task::Work => http::worker_router(dependencies, config),
    }
}

/// Sends the webhooks of all predictions of a broker, together with other front ends, once the secret is known.
fn start_hooks(
    task: Task,
    shared: Shared,
    webhooks: &Arc<WebhookSender>,
    has_secret: &CancellationToken,
) -> Option<HookRunner> {
    let (webhooks, has_secret) = (Arc::clone(webhooks), has_secret.clone());
    (task == Task::Serve).then(|| HookRunner::start(shared.broker, webhooks, has_secret))
}

/// Is cancelled once the secret is known that all servers of a store share. Processes that only draw need none.
fn secret_taken(task: Task, store: &Arc<dyn Store>, api: Arc<Api>) -> CancellationToken {
    let taken = CancellationToken::new();
    if store.is_shared() && task == Task::Serve {
        tokio::spawn(take_secret(Arc::clone(store), api, taken.clone()));
    } else {
        taken.cancel();
    }
    taken
}

/// Takes the secret that all servers of a store share, once the store answers. `taken` is cancelled then.
async fn take_secret(store: Arc<dyn Store>, api: Arc<Api>, taken: CancellationToken) {
    let mut has_warned = false;
    loop {
        match store.secret().await {
            Ok(Some(secret)) => {
                api.set_secret(&secret);
                return taken.cancel();
            }
            Ok(None) if has_warned => {}
            Ok(None) => {
                warn!("the store has a damaged secret");
                has_warned = true;
            }
            Err(error) => debug!(error = chain(&error), "the secret cannot be read yet"),
        }
        sleep(SECRET_INTERVAL).await;
    }
}

/// Starts the drawing thread; `None` if the workers of a broker draw.
fn start_worker(
    arguments: &ServeArguments,
    service: &Arc<Service>,
    has_secret: CancellationToken,
) -> anyhow::Result<Option<thread::JoinHandle<()>>> {
    if arguments.predictions.slots == 0 {
        let service = Arc::clone(service);
        tokio::spawn(async move {
            has_secret.cancelled().await;
            service.serve_without_model();
        });
        return Ok(None);
    }
    let compute = arguments.compute.clone();
    // An unknown device or weights file is a mistake on the command line. It is reported now, and not as a
    // failure to load the model.
    compute.check()?;
    let runtime = Handle::current();
    let load = move || {
        // Before that, a prediction would get addresses and signatures that other servers do not know.
        runtime.block_on(has_secret.cancelled());
        let model = compute.load_model().map_err(EngineError::new)?;
        for warning in model.warnings {
            warn!("{warning}");
        }
        ClipEngine::new(model.clip, model.provenance, model.graphs)
    };
    let started = worker::start(Arc::clone(service), Box::new(load));
    started.map(Some).context("cannot start the drawing thread")
}

/// The exit status after a graceful shutdown: 0 after SIGTERM, as orchestrators expect, and 130
/// after Ctrl-C, as in shells.
fn exit_status(signal: StopSignal) -> u8 {
    match signal {
        StopSignal::Interrupt => signal.exit_status(),
        StopSignal::Terminate => 0,
    }
}
