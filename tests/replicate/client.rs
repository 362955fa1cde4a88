//! Requests as Replicate's clients send them.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::server::{Answer, Choices, TestServer};

/// A server with a place in the queue for everybody.
pub(crate) async fn server() -> TestServer {
    TestServer::start(Choices {
        long_queue: 8,
        ..Choices::default()
    })
    .await
}

/// The body of a request for a small drawing.
pub(crate) fn body(prompt: &str) -> Value {
    json!({"input": {
        "prompt": prompt, "num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7
    }})
}

/// A request for a prediction of a model, such as `clipdraw/clipdraw`.
pub(crate) fn create(server: &TestServer, model: &str, body: &Value) -> RequestBuilder {
    let path = format!("/v1/models/{model}/predictions");
    server.request("POST", &path).json(body)
}

/// Starts a prediction of the model with all frames.
pub(crate) async fn start(server: &TestServer, prompt: &str) -> Value {
    let answer = Answer::read(create(server, "clipdraw/clipdraw", &body(prompt))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// The path and the query of an address of the server.
pub(crate) fn path<'a>(server: &TestServer, address: &'a Value) -> &'a str {
    let address = address.as_str().unwrap();
    address.strip_prefix(&server.url("")).unwrap()
}

/// The prediction, as it is now.
pub(crate) async fn reload(server: &TestServer, prediction: &Value) -> Value {
    let path = path(server, &prediction["urls"]["get"]);
    server.get(path).await.json()
}

/// The problem that a request is answered with, which has a text in `detail`.
pub(crate) fn problem(answer: &Answer) -> Value {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{}",
        answer.text
    );
    let problem: Value = serde_json::from_str(&answer.text).unwrap();
    assert!(problem["detail"].is_string(), "{problem}");
    assert_eq!(problem["status"], answer.status.as_u16());
    problem
}
