//! A server with the real page and API, except that a prediction is what a test makes of it.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::server::{Choices, parts};

/// What the server sends as the events of a prediction, after the event of that number.
pub(super) type Events = Arc<dyn Fn(u64) -> Response + Send + Sync>;

/// Starts the server and returns its address.
pub(super) async fn start(events: Events) -> String {
    let follow = move |headers: HeaderMap| {
        let after = headers.get("last-event-id");
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        let response = events(after.unwrap_or(0));
        async { response }
    };
    let accept = async |Path(id): Path<String>, Json(body): Json<Value>| {
        let state = json!({"id": id, "status": "starting", "input": body["input"]});
        (StatusCode::ACCEPTED, Json(state))
    };
    let mut choices = Choices::default();
    // Recorded frames are not kept by the server.
    choices.limits.output_bytes = u64::MAX;
    let router = Router::new()
        .route("/predictions/{id}", get(follow).put(accept))
        .fallback_service(parts(&choices).router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A response with the text of an event stream.
pub(super) fn stream(text: impl Into<String>) -> Response {
    ([("content-type", "text/event-stream")], text.into()).into_response()
}

/// One event.
pub(super) fn event(number: u64, name: &str, data: &Value) -> String {
    format!("id: {number}\nevent: {name}\ndata: {data}\n\n")
}
