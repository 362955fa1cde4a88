//! A span, a metric and a log line for each request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::histogram;
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use crate::telemetry::metric;

/// The label of all unknown paths: a label for each would be an unbounded number of time series.
const UNMATCHED: &str = "<unmatched>";

/// Paths that probes request all the time; they are logged at `debug` only.
const FREQUENT: [&str; 3] = ["/health-check", "/ready", "/metrics"];

/// Runs the handler within a span, then logs and counts the response.
pub(super) async fn log_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_label(request.method());
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

/// Adds the ID of a prediction to the request's span.
pub(super) fn record_prediction(prediction: &str) {
    Span::current().record("prediction_id", prediction);
}

/// The metric label of a method. Clients can invent any number of methods, so unknown ones share one.
fn method_label(method: &Method) -> &'static str {
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
