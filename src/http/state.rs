//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::completed_event::FinalFrames;
use crate::delivery::Client;
use crate::delivery::webhook::Sender;
use crate::service::{Destination, Service};

/// Everything that the handlers need, and everything that can be chosen about them.
#[derive(Debug)]
pub struct Settings {
    /// Accepts predictions and answers questions about them.
    pub service: Arc<Service>,
    /// Sends webhooks and files; requests are checked against its policy.
    pub client: Arc<Client>,
    /// Where the files go of predictions that name no destination.
    pub destination: Destination,
    /// Tells receivers of webhooks how predictions go on.
    pub webhooks: Arc<Sender>,
    /// Cancelled by `POST /shutdown`.
    pub stop: CancellationToken,
    /// The numbers for `GET /metrics`.
    pub numbers: PrometheusHandle,
    /// The token that requests must carry.
    pub access_token: Option<SecretString>,
    /// Web pages that may use the server from a browser; `*` stands for all.
    pub cors_origins: Vec<HeaderValue>,
    /// Limits of requests.
    pub limits: Limits,
}

/// Limits of requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body in bytes.
    pub body_bytes: usize,
    /// The longest pause within a body.
    pub body_pause: Duration,
    /// The largest output of one prediction that is kept in memory, in bytes.
    pub output_bytes: u64,
    /// Event streams at once.
    pub subscribers: usize,
}

/// The state of the handlers.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) settings: Settings,
    /// A permit for each event stream.
    pub(super) streams: Arc<Semaphore>,
    pub(super) final_frames: FinalFrames,
}

impl Application {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            streams: Arc::new(Semaphore::new(settings.limits.subscribers)),
            final_frames: FinalFrames::default(),
            settings,
        })
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.settings.service
    }
}
