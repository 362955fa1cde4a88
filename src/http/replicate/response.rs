//! A prediction as the response.

use std::sync::Arc;

use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

use super::headers::Wait;
use crate::http::predictions::json_response;
use crate::http::problem::Problem;
use crate::replicate::{Message, Site};
use crate::service::{Prediction, Snapshot};

/// Says how long the server has waited (RFC 7240).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The state of a prediction.
pub(super) async fn message(
    status: StatusCode,
    snapshot: Snapshot,
    site: Site,
) -> Result<Response, Problem> {
    let size: usize = snapshot.output.iter().map(|file| file.len()).sum();
    let write = move || serde_json::to_vec(&Message::new(&snapshot, &site));
    Ok(json_response(status, size, write).await?)
}

/// Answers with a prediction that was accepted: at once, or at its end if that comes within the time of `wait`.
///
/// A wait that is over answers with the state at the acceptance, although the drawing may have begun: the clients take
/// every other state for a final one. The same answer is given if this process leaves the prediction to the next one,
/// because clients poll after it.
pub(super) async fn accepted(
    prediction: &Arc<Prediction>,
    site: Site,
    wait: Option<Wait>,
    arrived: Instant,
) -> Result<Response, Problem> {
    let Some(wait) = wait else {
        return message(StatusCode::CREATED, prediction.accepted_snapshot(), site).await;
    };
    let (status, snapshot) = tokio::select! {
        biased;
        finished = prediction.finished() => (StatusCode::CREATED, finished),
        () = prediction.suspended() => (StatusCode::ACCEPTED, prediction.accepted_snapshot()),
        () = sleep_until(arrived + wait.time()) => (StatusCode::ACCEPTED, prediction.accepted_snapshot()),
    };
    let mut response = message(status, snapshot, site).await?;
    let headers = response.headers_mut();
    headers.insert(PREFERENCE_APPLIED, wait.applied());
    Ok(response)
}
