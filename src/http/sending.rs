//! What a request wants sent elsewhere: its webhooks and its files.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::application::Settings;
use super::envelope::Envelope;
use super::error::HttpError;
use crate::outbound::{Place, Uploader};
use crate::prediction::Detail;
use crate::service::{Destination, Prediction};

/// Addresses that have been held against the policy.
#[derive(Debug)]
pub(super) struct Sending {
    uploader: Option<Arc<Uploader>>,
}

impl Sending {
    /// Reads the addresses of a request.
    ///
    /// # Errors
    /// With the fields that name no address, or one that this server does not send to.
    pub(super) fn read(
        settings: &Settings,
        envelope: &Envelope,
        _headers: &HeaderMap,
    ) -> Result<Self, HttpError> {
        let uploader = match envelope.output_file_prefix()? {
            Some(prefix) => Some(Arc::new(
                Uploader::parse(
                    Arc::clone(&settings.client),
                    "output_file_prefix",
                    prefix,
                    Place::Prefix,
                )
                .map_err(|error| Detail::body(error.field(), error.to_string()))?,
            )),
            None => settings.uploader.clone(),
        };
        Ok(Self { uploader })
    }

    /// Whether the files are kept in memory and go into the answer.
    pub(super) fn stays_here(&self) -> bool {
        self.uploader.is_none()
    }

    pub(super) fn destination(&self) -> Destination {
        Destination::Response
    }

    /// Starts to send webhooks.
    pub(super) fn watch(self, _settings: &Settings, _prediction: &Arc<Prediction>) {}
}
