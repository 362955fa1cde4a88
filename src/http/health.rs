//! How the server is, for Cog's tools and for load balancers.

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

/// `GET /health-check`: 200 in every state, the state is in the body.
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

/// `GET /ready`: 200 if this server is to be sent requests, else 503.
///
/// A busy server is sent requests all the same: it is alive, and its answer 409 tells the caller
/// more than that of a load balancer without a server.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let health = state.service().health().await;
    let ready = matches!(health.status, HealthStatus::Ready | HealthStatus::Busy);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready,
        "status": health.status,
        "running": health.running,
        "waiting": health.waiting,
    });
    (status, Json(body)).into_response()
}
