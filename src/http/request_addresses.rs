//! The URLs in a request: its webhook and where its output files are uploaded.

use axum::http::HeaderMap;

use super::error::HttpError;
use super::prediction_request::PredictionRequest;
use super::state::Dependencies;
use crate::cog::Detail;
use crate::delivery::AddressError;
use crate::delivery::webhook::Webhook;
use crate::service::Destination;

/// The field of a request with the upload URL of its files.
const PREFIX: &str = "output_file_prefix";

/// The URLs in one request, which the policy allows.
#[derive(Debug)]
pub(super) struct RequestAddresses {
    /// Where the output files go.
    pub(super) destination: Destination,
    /// The webhook that receives progress, if the request names one.
    pub(super) webhook: Option<Webhook>,
}

impl RequestAddresses {
    /// Reads the URLs in a request.
    ///
    /// # Errors
    /// If the value of a field is not a URL, or the policy refuses it; the error names the field.
    pub(super) fn read(
        dependencies: &Dependencies,
        request: &PredictionRequest,
        headers: &HeaderMap,
    ) -> Result<Self, HttpError> {
        let events = &request.webhook_events_filter;
        let webhook = request
            .webhook()
            .map(|address| {
                Webhook::parse(
                    dependencies.client.policy(),
                    address,
                    events.clone(),
                    headers,
                )
            })
            .transpose()
            .map_err(|error| refused(&error))?
            .map(|webhook| webhook.with_output(request.webhook_output));
        let destination = match request.output_file_prefix()? {
            Some(prefix) => {
                let url = dependencies.client.policy().parse(PREFIX, prefix);
                Destination::Prefix(url.map_err(|error| refused(&error))?)
            }
            None => dependencies.destination.clone(),
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
