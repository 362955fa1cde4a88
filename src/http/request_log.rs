//! One span, one number and one log line for each request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::histogram;
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use crate::telemetry::metric;

/// The label of paths that there are not; their number has no end.
const UNMATCHED: &str = "<unmatched>";

/// Paths that are asked for every few moments, which would fill the log.
const FREQUENT: [&str; 3] = ["/health-check", "/ready", "/metrics"];

/// Puts the handler into a span, and notes how the request ended.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(UNMATCHED.to_owned(), |path| path.as_str().to_owned());
    let span = info_span!("request", method, route, prediction_id = field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let seconds = started.elapsed().as_secs_f64();
    span.in_scope(|| {
        let status = status.as_u16();
        if response.status().is_server_error() && !FREQUENT.contains(&route.as_str()) {
            warn!(status, seconds, "request failed");
        } else if FREQUENT.contains(&route.as_str()) {
            debug!(status, seconds, "request answered");
        } else {
            info!(status, seconds, "request answered");
        }
    });
    histogram!(
        metric::HTTP_DURATION,
        "method" => method,
        "route" => route,
        "status" => status.as_str().to_owned()
    )
    .record(seconds);
    response
}

/// Notes in the log which prediction the request is about.
pub(super) fn about(prediction: &str) {
    Span::current().record("prediction_id", prediction);
}

/// A client may invent methods without end.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
