//! The state that all handlers share: what they call and how they are configured.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::error::FullStatus;
use super::unanswered::Unanswered;
use crate::delivery::Client;
use crate::delivery::webhook::WebhookSender;
use crate::replicate::Api;
use crate::service::{Destination, InputFileStore, Service};

/// The parts of the server that the handlers call.
#[derive(Debug)]
pub struct Dependencies {
    /// Accepts predictions and finds them by ID.
    pub service: Arc<Service>,
    /// Sends webhooks and uploads files; requests are checked against its policy.
    pub client: Arc<Client>,
    /// Where output files go, unless the request names a destination.
    pub destination: Destination,
    /// Delivers the progress of predictions to their webhooks.
    pub webhooks: Arc<WebhookSender>,
    /// What the server is to Replicate's clients, under `/v1`.
    pub api: Arc<Api>,
    /// The files that clients have sent, for inputs.
    pub input_files: Arc<dyn InputFileStore>,
    /// Cancelled by `POST /shutdown`.
    pub stop: CancellationToken,
    /// The metrics that `GET /metrics` renders.
    pub metrics: PrometheusHandle,
}

/// How the HTTP interface is configured.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The bearer token that requests must carry; `None` means that requests need no token.
    pub access_token: Option<SecretString>,
    /// Origins that CORS allows; `*` allows every origin.
    pub cors_origins: Vec<HeaderValue>,
    /// The names that the header `Host` may have, without ports; `None` allows every name. With a list, no
    /// page can reach the server by a name of its own (DNS rebinding).
    pub host_names: Option<Vec<String>>,
    /// Limits on requests and their output.
    pub limits: RequestLimits,
    /// Which files the `completed` event of an event stream repeats.
    pub completed_output: CompletedOutput,
    /// The status of responses to requests for which there is no room.
    pub full_status: FullStatus,
    /// How long responses may take to say something.
    pub waits: WaitLimits,
}

/// How long responses may take to say something. Clients and proxies give up after these times, so only tests change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitLimits {
    /// The longest time, in whole seconds, that one of Replicate's clients may wait for a prediction with `Prefer: wait`. Some of them
    /// read for half a second longer.
    pub prefer_wait: Duration,
    /// The maximum silence on an event stream.
    pub silence: Duration,
}

impl Default for WaitLimits {
    /// A minute as on Replicate; and 15 s, because one client reads for 30 s, and proxies for a minute.
    fn default() -> Self {
        Self {
            prefer_wait: Duration::from_mins(1),
            silence: Duration::from_secs(15),
        }
    }
}

/// Which files the `completed` event of an event stream has in its `output`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CompletedOutput {
    /// Those that the stream has not sent as `output` events; usually there are none.
    #[default]
    Unsent,
    /// All, as in Cog.
    All,
}

/// Limits on requests and their output.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// The maximum size of a request body in bytes.
    pub body_bytes: usize,
    /// The maximum time between two chunks of a request body.
    pub body_timeout: Duration,
    /// The maximum output of one prediction that is kept in memory, in bytes.
    pub output_bytes: u64,
    /// The maximum number of event streams that are open at the same time.
    pub subscribers: usize,
}

/// The state that axum passes to every handler.
#[derive(Debug)]
pub(super) struct AppState {
    pub(super) dependencies: Dependencies,
    pub(super) config: ServerConfig,
    /// One permit for each event stream that may be open.
    pub(super) streams: Arc<Semaphore>,
    /// Predictions whose client has left before it was answered.
    pub(super) unanswered: Unanswered,
}

impl AppState {
    /// The state at the start of the server, with no stream open.
    pub(super) fn new(dependencies: Dependencies, config: ServerConfig) -> Arc<Self> {
        Arc::new(Self {
            streams: Arc::new(Semaphore::new(config.limits.subscribers)),
            unanswered: Unanswered::default(),
            dependencies,
            config,
        })
    }

    /// The predictions of this server.
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.dependencies.service
    }
}
