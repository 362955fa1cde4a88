//! The body of a request for a prediction.

use axum::extract::Request;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cog::Detail;
use crate::delivery::webhook::{EventFilter, Webhook, WebhookEvent};
use crate::http::bounded_json::BoundedValue;
use crate::http::error::HttpError;
use crate::http::prediction_request::{has_json_content_type, raw_inputs, read_json};
use crate::http::state::AppState;
use crate::replicate::Site;

/// What receivers of webhooks get if the request does not say: what Replicate sends then.
const DEFAULT_EVENTS: [WebhookEvent; 2] = [WebhookEvent::Output, WebhookEvent::Completed];

/// The body of a request for a prediction. Unknown fields are ignored, `stream` among them: every prediction has a stream.
#[derive(Debug, Deserialize)]
pub(super) struct CreateRequest {
    #[serde(default)]
    input: BoundedValue,
    /// The version of a model, or its name.
    pub(super) version: Option<String>,
    webhook: Option<String>,
    /// The old name of a webhook that gets only `completed`.
    webhook_completed: Option<String>,
    webhook_events_filter: Option<EventFilter>,
}

impl CreateRequest {
    /// Reads the body of a request. A body without a `Content-Type` is JSON too.
    ///
    /// # Errors
    /// If it is not valid.
    pub(super) async fn read(state: &AppState, request: Request) -> Result<Self, HttpError> {
        // The result matters only if there is another type.
        has_json_content_type(request.headers()).await?;
        read_json(request, state.config.limits.body_timeout).await
    }

    /// Takes the raw inputs out of the request.
    ///
    /// # Errors
    /// If they are not an object.
    pub(super) fn inputs(&mut self) -> Result<Map<String, Value>, Detail> {
        raw_inputs(self.input.0.take())
    }

    /// The receiver of webhooks, if the request names one.
    ///
    /// # Errors
    /// If its address is not a URL, or the policy refuses it.
    pub(super) fn webhook(
        &self,
        state: &AppState,
        headers: &HeaderMap,
        site: &Site,
    ) -> Result<Option<Webhook>, Detail> {
        let given =
            |address: &Option<String>| address.clone().filter(|address| !address.is_empty());
        let (address, events) = match (given(&self.webhook), given(&self.webhook_completed)) {
            (Some(address), _) => {
                let events = self.webhook_events_filter.clone();
                (
                    address,
                    events.unwrap_or_else(|| EventFilter::only(&DEFAULT_EVENTS)),
                )
            }
            (None, Some(address)) => (address, EventFilter::only(&[WebhookEvent::Completed])),
            (None, None) => return Ok(None),
        };
        let policy = state.dependencies.client.policy();
        let webhook = Webhook::parse(policy, &address, events, headers);
        let webhook = webhook.map_err(|error| Detail::body(error.field(), error.to_string()))?;
        Ok(Some(webhook.in_replicates_form(site.base().to_owned())))
    }
}
