//! The routes and the middleware that wraps them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{error, info};

use super::error::HttpError;
use super::same_origin::{AllowedPages, refuse_foreign_pages};
use super::state::{AppState, Dependencies, ServerConfig};
use super::{
    auth, discovery, docs, health, inputs_check, list, predictions, replicate, request_log, studio,
    trainings,
};
use crate::errors::panic_message;

/// How long a browser may cache the answer to a CORS preflight request.
const CORS_MAX_AGE: Duration = Duration::from_hours(1);

/// Builds the router with all routes. Unknown paths get a 404 and wrong methods a 405, both without
/// a body. As in Cog, a trailing slash makes a path unknown.
pub fn router(dependencies: Dependencies, config: ServerConfig) -> Router {
    let token = config.access_token.clone();
    let cors = cors(&config.cors_origins);
    let pages = Arc::new(AllowedPages {
        hosts: config.host_names.clone(),
        origins: config.cors_origins.clone(),
    });
    let body_limit = DefaultBodyLimit::max(config.limits.body_bytes);
    let mut router = routes()
        .with_state(AppState::new(dependencies, config))
        .layer(body_limit)
        .layer(CatchPanicLayer::custom(panic_response));
    if let Some(token) = token {
        router = router.layer(middleware::from_fn_with_state(token, auth::require_token));
    }
    router = router
        .layer(middleware::from_fn_with_state(pages, refuse_foreign_pages))
        .layer(middleware::from_fn(request_log::log_request));
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Builds the router of a process that only draws: its health and its metrics.
pub fn worker_router(dependencies: Dependencies, config: ServerConfig) -> Router {
    health_routes()
        .with_state(AppState::new(dependencies, config))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(middleware::from_fn(request_log::log_request))
}

fn health_routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/health-check", get(health::health_check))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics))
}

fn routes() -> Router<Arc<AppState>> {
    health_routes()
        .route("/", get(discovery::index))
        .route("/openapi.json", get(discovery::openapi_document))
        .route("/shutdown", post(shutdown))
        .route("/predictions", get(list::list).post(predictions::create))
        .route(
            "/predictions/{id}",
            get(predictions::show).put(predictions::create_once),
        )
        .route("/predictions/{id}/cancel", post(predictions::cancel))
        .route("/inputs", post(inputs_check::check))
        .route("/trainings", post(trainings::create))
        .route("/trainings/{id}", put(trainings::create_once))
        .route("/trainings/{id}/cancel", post(predictions::cancel))
        .nest("/v1", replicate::routes())
        .merge(docs::routes())
        .merge(studio::routes())
}

/// `GET /metrics`, in the text format of Prometheus.
async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    const FORMAT: HeaderValue =
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let text = state.dependencies.metrics.render();
    ([(header::CONTENT_TYPE, FORMAT)], text).into_response()
}

/// `POST /shutdown`: the server responds and then shuts down as after SIGTERM.
async fn shutdown(State(state): State<Arc<AppState>>) -> Json<Value> {
    info!("shutdown was requested over HTTP");
    state.dependencies.stop.cancel();
    Json(json!({}))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer passes the panic by value"
)]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic_message(&*panic);
    error!(message, "a handler panicked");
    HttpError::Internal.into_response()
}

fn cors(origins: &[HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    let headers = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("cancel-after"),
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("prefer"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
    ];
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers(headers)
        .max_age(CORS_MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_with_500_and_no_details() {
        async fn broken() {
            panic!("a secret");
        }
        let router: Router = Router::new()
            .route("/", get(broken))
            .layer(CatchPanicLayer::custom(panic_response));
        let request = Request::new(Body::empty());
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], br#"{"error":"Internal server error"}"#);
    }
}
