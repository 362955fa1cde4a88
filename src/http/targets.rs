//! The addresses in a request: its webhook and the place its output files are uploaded to.

use axum::http::HeaderMap;

use super::error::HttpError;
use super::prediction_request::PredictionRequest;
use super::state::Dependencies;
use crate::cog::Detail;
use crate::delivery::AddressError;
use crate::delivery::webhook::Webhook;
use crate::service::Destination;

/// The field of a request that holds the upload address of its files.
const PREFIX: &str = "output_file_prefix";

/// The addresses of one request, after the policy has allowed them.
#[derive(Debug)]
pub(super) struct Targets {
    /// Where the output files go.
    pub(super) destination: Destination,
    /// The webhook that receives progress, if the request names one.
    pub(super) webhook: Option<Webhook>,
}

impl Targets {
    /// Reads the addresses of a request.
    ///
    /// # Errors
    /// Names the field whose value is not an address, or whose address the policy refuses.
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
            .map_err(|error| refused(&error))?;
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
