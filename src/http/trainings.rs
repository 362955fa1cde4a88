//! `/trainings`: for a model without training, Cog runs predictions under these paths, except that it
//! offers no event stream. Clients of Cog probe for that.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::error::HttpError;
use super::predictions;
use super::preference::accepts_events;
use super::state::AppState;

/// `POST /trainings`.
pub(super) async fn create(
    state: State<Arc<AppState>>,
    request: Request,
) -> Result<Response, HttpError> {
    refuse_streams(&request)?;
    predictions::create(state, request).await
}

/// `PUT /trainings/{id}`.
pub(super) async fn create_once(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    refuse_streams(&request)?;
    predictions::put(&state, id, request, "training").await
}

fn refuse_streams(request: &Request) -> Result<(), HttpError> {
    if accepts_events(request.headers()) {
        return Err(HttpError::TrainingStream);
    }
    Ok(())
}
