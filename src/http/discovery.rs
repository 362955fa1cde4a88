//! Descriptions of the interface: the index and the OpenAPI document.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::accept::accepts_html;
use super::studio;
use crate::cog::openapi::{self, COG_VERSION};

/// `GET /`: the page for a browser, and the paths of the endpoints for everybody else.
pub(super) async fn index(headers: HeaderMap) -> Response {
    const VARY: HeaderValue = HeaderValue::from_static("accept");
    if accepts_html(&headers) {
        return studio::page(headers).await;
    }
    ([(header::VARY, VARY)], Json(endpoints())).into_response()
}

fn endpoints() -> Value {
    json!({
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
    })
}

/// `GET /openapi.json`: the document that Cog's tools expect, in every state of the server.
pub(super) async fn openapi_document() -> Json<Value> {
    Json(openapi::document())
}
