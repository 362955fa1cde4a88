//! The health of the server, for Cog's tools and for load balancers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::AppState;
use crate::cog::HealthStatus;
use crate::cog::openapi::COG_VERSION;
use crate::service::Health;

/// `GET /health-check`: always 200; the state is in the body.
pub(super) async fn health_check(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(health_body(&state.service().health().await))
}

fn health_body(health: &Health) -> Value {
    let mut body = json!({
        "status": health.status,
        "setup": health.setup,
        "version": { "coglet": COG_VERSION, "clipdraw": env!("CARGO_PKG_VERSION") },
    });
    if let Some(fault) = &health.fault {
        body["user_healthcheck_error"] = fault.as_str().into();
    }
    body
}

/// `GET /ready`: 200 if a load balancer may send requests to this server, else 503.
///
/// A busy server counts as ready: it works, and its own 409 is more useful to the caller than the 503
/// of a load balancer that has no server left.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let health = state.service().health().await;
    let ready = matches!(health.status, HealthStatus::Ready | HealthStatus::Busy);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut body = json!({
        "ready": ready,
        "status": health.status,
        "running": health.running,
        "waiting": health.waiting,
    });
    if let Some(fault) = &health.fault {
        body["reason"] = fault.as_str().into();
    }
    (status, Json(body)).into_response()
}
