//! Replicate's interface under `/v1`, for its clients unchanged. The predictions are those of Cog's interface; only their
//! form and some habits differ: a request is answered at once unless it says `Prefer: wait`, nobody who hangs up cancels
//! anything, and a busy server lets callers wait.

mod headers;
mod create_request;
mod site;
mod response;
mod models;
mod predictions;
mod streams;
mod files;
mod upload_form;
mod input_files;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, middleware};

use super::problem::{Problem, as_problem};
use super::state::AppState;

/// The routes, without `/v1`.
pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/openapi.json", get(models::openapi_document))
        .route(
            "/predictions",
            get(predictions::list).post(predictions::create),
        )
        .route("/predictions/{id}", get(predictions::show))
        .route("/predictions/{id}/cancel", post(predictions::cancel))
        .route(
            "/models/{owner}/{name}/predictions",
            post(predictions::create_for_model),
        )
        .route(
            "/deployments/{owner}/{name}/predictions",
            post(predictions::create_for_deployment),
        )
        .route("/streams/{id}", get(streams::show))
        .route("/files/{id}/{token}/{name}", get(files::show))
        .route("/files", get(input_files::list).post(input_files::create))
        .route(
            "/files/{id}",
            get(input_files::show).delete(input_files::remove),
        )
        .route("/files/{id}/download", get(input_files::download))
        .route("/models", get(models::list).fallback(models::search))
        .route("/models/{owner}/{name}", get(models::show))
        .route("/models/{owner}/{name}/versions", get(models::versions))
        .route(
            "/models/{owner}/{name}/versions/{version}",
            get(models::version),
        )
        .route("/deployments", get(models::deployments))
        .route("/deployments/{owner}/{name}", get(models::deployment))
        .route("/collections", get(models::nothing))
        .route("/trainings", get(models::nothing))
        .route("/hardware", get(models::hardware))
        .route("/account", get(models::account))
        .route("/webhooks/default/secret", get(models::webhook_secret))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::unknown_path())
        .layer(middleware::map_response(as_problem))
}
