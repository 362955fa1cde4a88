//! Descriptions of the interface: the index and the OpenAPI document.

use axum::Json;
use serde_json::{Value, json};

use crate::cog::openapi::{self, COG_VERSION};

/// `GET /`: the paths of the endpoints.
pub(super) async fn index() -> Json<Value> {
    Json(json!({
        "cog_version": COG_VERSION,
        "docs_url": "/docs",
        "healthcheck_url": "/health-check",
        "metrics_url": "/metrics",
        "openapi_url": "/openapi.json",
        "predictions_cancel_url": "/predictions/{prediction_id}/cancel",
        "predictions_idempotent_url": "/predictions/{prediction_id}",
        "predictions_url": "/predictions",
        "ready_url": "/ready",
        "shutdown_url": "/shutdown",
    }))
}

/// `GET /openapi.json`: the document that Cog's tools expect, in every state of the server.
pub(super) async fn openapi_document() -> Json<Value> {
    Json(openapi::document())
}
