//! What a request wants sent elsewhere: its webhooks and its files.

use axum::http::HeaderMap;

use super::envelope::PredictionRequest;
use super::error::HttpError;
use super::state::Settings;
use crate::cog::Detail;
use crate::delivery::AddressError;
use crate::delivery::webhook::Webhook;
use crate::service::Destination;

/// The field of a request that says where its files go.
const PREFIX: &str = "output_file_prefix";

/// Addresses that have been held against the policy.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) destination: Destination,
    pub(super) webhook: Option<Webhook>,
}

impl Sending {
    /// Reads the addresses of a request.
    ///
    /// # Errors
    /// With the field that names no address, or one that this server does not send to.
    pub(super) fn read(
        settings: &Settings,
        envelope: &PredictionRequest,
        headers: &HeaderMap,
    ) -> Result<Self, HttpError> {
        let events = &envelope.webhook_events_filter;
        let webhook = envelope
            .webhook()
            .map(|address| {
                Webhook::parse(settings.client.policy(), address, events.clone(), headers)
            })
            .transpose()
            .map_err(|error| refused(&error))?;
        let destination = match envelope.output_file_prefix()? {
            Some(prefix) => {
                let url = settings.client.policy().parse(PREFIX, prefix);
                Destination::Prefix(url.map_err(|error| refused(&error))?)
            }
            None => settings.destination.clone(),
        };
        Ok(Self {
            destination,
            webhook,
        })
    }
}

fn refused(error: &AddressError) -> Detail {
    Detail::body(error.field(), error.to_string())
}
