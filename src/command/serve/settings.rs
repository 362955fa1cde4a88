//! Turns the arguments of `clipdraw serve` into the settings of the server's parts.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use super::arguments::{
    DeliveryArguments, LogArguments, ReplicateArguments, RequestArguments, ServeArguments,
    ShutdownArguments,
};
use super::open_files;
use crate::command::signals::SigtermPolicy;
use crate::delivery::webhook::{WebhookConfig, WebhookSender};
use crate::delivery::{self, AddressPolicy, Client, PrivateAddresses};
use crate::http::{
    CompletedOutput, ConnectionLimits, ConnectionTimeouts, RequestLimits, ServerConfig, WaitLimits,
};
use crate::replicate::Api;
use crate::secret::Secret;
use crate::service::{self, Destination, InputFileLimits, Store};
use crate::telemetry::LogSettings;

pub(super) fn log_settings(arguments: &LogArguments) -> LogSettings {
    LogSettings {
        format: arguments.format,
        level: arguments.level,
        filter: arguments.filter.clone(),
    }
}

pub(super) fn sigterm_policy(arguments: &ShutdownArguments) -> SigtermPolicy {
    if arguments.await_explicit_shutdown {
        SigtermPolicy::Ignore
    } else {
        SigtermPolicy::Stop
    }
}

pub(super) fn client(arguments: &DeliveryArguments) -> anyhow::Result<Arc<Client>> {
    let allowed = &arguments.allow_target;
    let settings = delivery::ClientConfig {
        policy: AddressPolicy {
            allowed_hosts: (!allowed.is_empty()).then(|| allowed.clone()),
            private_addresses: if arguments.refuse_private_addresses {
                PrivateAddresses::Refused
            } else {
                PrivateAddresses::Allowed
            },
        },
        user_agent: arguments.user_agent.clone().filter(|text| !text.is_empty()),
        timeouts: delivery::ClientTimeouts::default(),
    };
    Ok(Arc::new(Client::new(settings)?))
}

/// Where the output files of a prediction go if it does not name a destination.
pub(super) fn destination(
    arguments: &DeliveryArguments,
    client: &Client,
) -> anyhow::Result<Destination> {
    let Some(url) = arguments.upload_url.clone() else {
        return Ok(Destination::Inline);
    };
    client.policy().check(&url).context("--upload-url")?;
    Ok(Destination::Folder(url))
}

pub(super) fn webhook_sender(
    arguments: &DeliveryArguments,
    client: &Arc<Client>,
) -> anyhow::Result<WebhookSender> {
    let config = WebhookConfig {
        throttle: arguments.webhook_interval,
        output: arguments.webhook_output,
        ..WebhookConfig::default()
    };
    let sender = WebhookSender::new(Arc::clone(client), config);
    Ok(match non_empty(arguments.webhook_auth_token.as_ref()) {
        Some(token) => sender.with_token(&token)?,
        None => sender,
    })
}

/// What the server is to Replicate's clients. A store that keeps no secret leaves it to the process.
pub(super) async fn api(arguments: &ServeArguments, store: &dyn Store) -> anyhow::Result<Api> {
    // A broker may not answer yet; the server takes the secret from it when it does.
    let kept = if store.is_shared() {
        Some(Secret::generate())
    } else {
        store.secret().await.context("cannot read the store")?
    };
    let secret = kept.unwrap_or_else(|| {
        info!(
            "the secret for webhooks, streams and files is good until the server stops; see --store"
        );
        Secret::generate()
    });
    let webhook_key = non_empty(arguments.delivery.webhook_secret.as_ref());
    let webhook_key = webhook_key.map(|text| text.expose_secret().parse());
    let webhook_key = webhook_key.transpose().context("--webhook-secret")?;
    let replicate = &arguments.replicate;
    let mut api = Api::new(replicate.model_name.clone(), &secret, webhook_key);
    api.files = replicate.v1_files;
    let public_url = replicate.public_url.as_ref();
    api.public_url = public_url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    Ok(api)
}

pub(super) fn service_limits(arguments: &ServeArguments) -> service::Limits {
    let long_queue = arguments.replicate.v1_queue.into();
    let arguments = &arguments.predictions;
    service::Limits {
        slots: arguments.slots.into(),
        queue: arguments.queue.into(),
        long_queue,
        replay: arguments.history as usize,
        remember: arguments.remember as usize,
        remember_for: arguments.remember_seconds,
        remember_bytes: arguments.remember_bytes,
    }
}

/// What is kept of the files that clients send.
pub(super) fn input_file_limits(arguments: &ReplicateArguments) -> InputFileLimits {
    InputFileLimits {
        total_bytes: arguments.input_files_bytes,
        keep_for: arguments.input_files_seconds,
    }
}

pub(super) fn server_config(arguments: &ServeArguments) -> ServerConfig {
    ServerConfig {
        access_token: access_token(&arguments.requests),
        cors_origins: arguments.requests.cors_origin.clone(),
        host_names: host_names(&arguments.requests),
        limits: request_limits(arguments),
        completed_output: completed_output(&arguments.requests),
        full_status: arguments.predictions.full_status,
        waits: WaitLimits::default(),
    }
}

fn request_limits(arguments: &ServeArguments) -> RequestLimits {
    let requests = &arguments.requests;
    RequestLimits {
        body_bytes: requests.max_body_bytes,
        body_timeout: requests.idle_timeout,
        output_bytes: arguments.predictions.max_output_bytes,
        subscribers: requests.stream_subscribers as usize,
    }
}

fn completed_output(arguments: &RequestArguments) -> CompletedOutput {
    if arguments.completed_with_output {
        CompletedOutput::All
    } else {
        CompletedOutput::Unsent
    }
}

pub(super) fn connection_limits(arguments: &RequestArguments) -> ConnectionLimits {
    ConnectionLimits {
        connections: open_files::room_for_connections(arguments.max_connections as usize),
        streams: arguments.max_streams,
        timeouts: ConnectionTimeouts {
            head: arguments.header_timeout,
            idle: arguments.idle_timeout,
            stuck: arguments.idle_timeout,
        },
    }
}

/// The host names that the server answers to; `None` means every name.
fn host_names(arguments: &RequestArguments) -> Option<Vec<String>> {
    let host = arguments.host;
    if !host.is_loopback() && arguments.allow_host.is_empty() {
        return None;
    }
    let own = match host {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let local = ["localhost", "127.0.0.1", "[::1]", own.as_str()];
    let local = local.into_iter().map(str::to_owned);
    Some(local.chain(arguments.allow_host.iter().cloned()).collect())
}

fn access_token(arguments: &RequestArguments) -> Option<SecretString> {
    non_empty(arguments.auth_token.as_ref())
}

/// An empty secret counts as unset: Compose and CI files set unused variables to the empty string.
pub(super) fn non_empty(secret: Option<&SecretString>) -> Option<SecretString> {
    secret
        .filter(|secret| !secret.expose_secret().is_empty())
        .cloned()
}
