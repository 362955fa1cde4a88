//! Converts the options of `clipdraw serve` into the configuration of the server's parts.

use std::sync::Arc;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use super::serve_arguments::ServeArguments;
use super::signals::Termination;
use crate::delivery::webhook::{WebhookConfig, WebhookSender};
use crate::delivery::{self, AddressPolicy, Client, PrivateAddresses};
use crate::http::{ConnectionTimeouts, RequestLimits};
use crate::service::{self, Destination};
use crate::telemetry::LogSettings;

impl ServeArguments {
    pub(super) fn log_settings(&self) -> LogSettings {
        LogSettings {
            format: self.logging.format,
            level: self.logging.level,
            filter: self.logging.filter.clone(),
        }
    }

    pub(super) fn termination(&self) -> Termination {
        if self.stopping.await_explicit_shutdown {
            Termination::Ignored
        } else {
            Termination::Obeyed
        }
    }

    pub(super) fn client(&self) -> anyhow::Result<Arc<Client>> {
        let sending = &self.sending;
        let settings = delivery::ClientConfig {
            policy: AddressPolicy {
                allowed_hosts: (!sending.allow_target.is_empty())
                    .then(|| sending.allow_target.clone()),
                private_addresses: if sending.refuse_private_addresses {
                    PrivateAddresses::Refused
                } else {
                    PrivateAddresses::Allowed
                },
            },
            user_agent: sending.user_agent.clone().filter(|text| !text.is_empty()),
            timeouts: delivery::ClientTimeouts::default(),
        };
        Ok(Arc::new(Client::new(settings)?))
    }

    /// Where the output files of predictions go that name no destination of their own.
    pub(super) fn destination(&self, client: &Client) -> anyhow::Result<Destination> {
        let Some(url) = self.sending.upload_url.clone() else {
            return Ok(Destination::Inline);
        };
        client.policy().check(&url).context("--upload-url")?;
        Ok(Destination::Folder(url))
    }

    pub(super) fn webhooks(&self, client: &Arc<Client>) -> anyhow::Result<WebhookSender> {
        let config = WebhookConfig {
            throttle: self.sending.webhook_interval,
            ..WebhookConfig::default()
        };
        let sender = WebhookSender::new(Arc::clone(client), config);
        Ok(match present(self.sending.webhook_auth_token.as_ref()) {
            Some(token) => sender.with_token(&token)?,
            None => sender,
        })
    }

    pub(super) fn service_limits(&self) -> service::Limits {
        let work = &self.work;
        service::Limits {
            slots: work.slots.into(),
            queue: work.queue.into(),
            replay: work.history as usize,
            remember: work.remember as usize,
            remember_for: work.remember_seconds,
            remember_bytes: work.remember_bytes,
        }
    }

    pub(super) fn request_limits(&self) -> RequestLimits {
        let listening = &self.listening;
        RequestLimits {
            body_bytes: listening.max_body_bytes,
            body_timeout: listening.idle_timeout,
            output_bytes: self.work.max_output_bytes,
            subscribers: listening.stream_subscribers as usize,
        }
    }

    pub(super) fn connection_timeouts(&self) -> ConnectionTimeouts {
        ConnectionTimeouts {
            head: self.listening.header_timeout,
            idle: self.listening.idle_timeout,
            stuck: self.listening.idle_timeout,
        }
    }

    pub(super) fn access_token(&self) -> Option<SecretString> {
        present(self.listening.auth_token.as_ref())
    }
}

/// An empty token counts as none: Compose and CI files set unused variables to the empty string.
fn present(token: Option<&SecretString>) -> Option<SecretString> {
    token
        .filter(|token| !token.expose_secret().is_empty())
        .cloned()
}
