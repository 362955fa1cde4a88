//! Event streams that are read from the beginning, from the middle, and after the end.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use clipdraw::http::CompletedOutput;
use clipdraw::service::worker;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::fake_engine::loader;
use crate::support::server::{Answer, Choices, Parts, TestServer, parts, pause, small, with_id};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
struct ServerSentEvent {
    number: Option<u64>,
    name: String,
    data: Value,
}

fn events(text: &str) -> Vec<ServerSentEvent> {
    assert!(text.ends_with("\n\n"), "{text:?}");
    let received = text.trim_end().split("\n\n");
    received
        .filter(|text| !text.starts_with(':'))
        .map(parse_event)
        .collect()
}

fn parse_event(text: &str) -> ServerSentEvent {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::to_owned)
    };
    ServerSentEvent {
        number: field("id: ").map(|number| number.parse().unwrap()),
        name: field("event: ").unwrap(),
        data: serde_json::from_str(&field("data: ").unwrap()).unwrap(),
    }
}

fn streaming(request: RequestBuilder) -> RequestBuilder {
    request.header("accept", "text/event-stream")
}

async fn stream(server: &TestServer, method: &str, path: &str, body: &Value) -> Answer {
    Answer::read(streaming(server.request(method, path).json(body))).await
}

/// Opens a stream and waits for its head alone.
async fn open(server: &TestServer, method: &str, path: &str, body: &Value) -> Response {
    let request = streaming(server.request(method, path).json(body));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

async fn subscribers(server: &TestServer, id: &str, count: usize) {
    while server
        .service
        .find(id)
        .await
        .unwrap()
        .unwrap()
        .subscribers()
        != count
    {
        pause().await;
    }
}

fn outline(received: &[ServerSentEvent]) -> Vec<&str> {
    received.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn a_stream_has_all_events_in_order_in_cogs_format_and_then_ends() {
    let server = TestServer::start(Choices::default()).await;
    let answer = stream(&server, "POST", "/predictions", &with_id("s", "a cat")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert!(
        answer
            .text
            .starts_with("id: 1\nevent: start\ndata: {\"id\":\"s\",\"status\":\"processing\"}\n\n"),
        "{}",
        answer.text
    );
    let received = events(&answer.text);
    let numbers: Vec<_> = received.iter().filter_map(|event| event.number).collect();
    assert_eq!(numbers, (1..=received.len() as u64).collect::<Vec<_>>());
    assert_eq!(outline(&received)[..3], ["start", "metric", "log"]);
    assert_eq!(
        received[1].data,
        json!({"mode": "replace", "name": "seed", "value": 7})
    );
    assert_eq!(received[2].data["source"], "stdout");
    assert!(received[2].data["data"].as_str().unwrap().ends_with('\n'));
    let outputs: Vec<_> = received
        .iter()
        .filter(|event| event.name == "output")
        .collect();
    for (index, output) in outputs.iter().enumerate() {
        assert_eq!(output.data["index"], index);
        let file = output.data["chunk"].as_str().unwrap();
        assert!(file.starts_with("data:image/svg+xml;base64,"), "{file}");
    }
    let end = received.last().unwrap();
    assert_eq!(end.name, "completed");
    let mut state = server.get("/predictions/s").await.json();
    let files = state.as_object_mut().unwrap().remove("output").unwrap();
    assert_eq!(end.data, state, "the files were sent before");
    let chunks = outputs.iter().map(|output| output.data["chunk"].clone());
    assert_eq!(files, chunks.collect::<Value>());
}

/// The files of all `output` events, and those of `completed`.
fn files(received: &[ServerSentEvent]) -> (Vec<Value>, Vec<Value>) {
    let outputs = received.iter().filter(|event| event.name == "output");
    let sent = outputs.map(|output| output.data["chunk"].clone()).collect();
    let end = received.last().unwrap();
    assert_eq!(end.name, "completed");
    let repeated = end.data["output"].as_array().cloned();
    (sent, repeated.unwrap_or_default())
}

#[tokio::test]
async fn no_file_is_sent_twice_on_a_stream_and_none_is_missing() {
    let server = TestServer::start(Choices::default()).await;
    server.send("PUT", "/predictions/a", &small("a cat")).await;
    let all = server.get("/predictions/a").await.json()["output"].clone();
    let all = all.as_array().unwrap();
    let whole = stream(&server, "GET", "/predictions/a", &Value::Null).await;
    let last = events(&whole.text).last().unwrap().number.unwrap();
    for after in 0..last {
        let request = streaming(server.request("GET", "/predictions/a"));
        let answer = Answer::read(request.header("last-event-id", after.to_string())).await;
        let (sent, rest) = files(&events(&answer.text));
        assert_eq!([rest, sent].concat(), *all, "after {after}");
    }
    let (sent, rest) = files(&events(&whole.text));
    assert_eq!((sent.len(), rest.len()), (all.len(), 0));
}

#[tokio::test]
async fn completed_repeats_every_file_if_the_server_is_configured_so_as_in_cog() {
    let server = TestServer::start(Choices {
        completed_output: CompletedOutput::All,
        ..Choices::default()
    })
    .await;
    let answer = stream(&server, "POST", "/predictions", &with_id("a", "a cat")).await;
    let all = events(&answer.text);
    let (sent, repeated) = files(&all);
    assert_eq!(sent, repeated);
    let state = server.get("/predictions/a").await.json();
    assert_eq!(all.last().unwrap().data, state);
}

#[tokio::test]
async fn a_failure_is_a_completed_event() {
    let server = TestServer::start(Choices::default()).await;
    let answer = stream(&server, "POST", "/predictions", &small("fail at 1")).await;
    assert_eq!(answer.status, 200);
    let received = events(&answer.text);
    let end = received.last().unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data["status"]),
        ("completed", &json!("failed"))
    );
    let wrong = stream(
        &server,
        "POST",
        "/predictions",
        &json!({"input": {"seed": "x"}}),
    )
    .await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn a_late_subscriber_gets_all_events_and_one_that_reconnects_gets_the_rest() {
    let server = TestServer::start(Choices::default()).await;
    server
        .send("PUT", "/predictions/first", &small("a cat"))
        .await;
    let request = server
        .request("PUT", "/predictions/live")
        .json(&small("hold at 2"));
    Answer::read(request.header("prefer", "respond-async")).await;
    server.hold().await;
    server.wait_for_events("live", 4).await;
    let late = open(&server, "PUT", "/predictions/live", &small("ignored")).await;
    let polled = open(&server, "GET", "/predictions/live", &Value::Null).await;
    let back = streaming(server.request("GET", "/predictions/live")).header("last-event-id", "4");
    let back = back.send().await.unwrap();
    subscribers(&server, "live", 3).await;
    server.controls.release();
    let all = events(&late.text().await.unwrap());
    assert_eq!(all[0].number, Some(1));
    assert_eq!(all.last().unwrap().data["status"], "succeeded");
    assert_eq!(events(&polled.text().await.unwrap()), all);
    let mut back = events(&back.text().await.unwrap());
    // Event 4 may be before or after the first file; `completed` has the files that this stream has not sent.
    let (sent, rest) = files(&back);
    assert_eq!([rest, sent].concat(), files(&all).0);
    back.last_mut().unwrap().data = all.last().unwrap().data.clone();
    assert_eq!(back, all[4..]);

    let remembered = stream(&server, "GET", "/predictions/first", &Value::Null).await;
    let remembered = events(&remembered.text);
    assert_eq!(outline(&remembered)[0], "start");
    assert_eq!(remembered.last().unwrap().data["id"], "first");
    let last = remembered.last().unwrap().number.unwrap().to_string();
    let request = streaming(server.request("GET", "/predictions/first"));
    let nothing = Answer::read(request.header("last-event-id", last)).await;
    assert_eq!(
        nothing.status, 204,
        "a browser does not come back after 204"
    );
}

#[tokio::test]
async fn a_subscriber_that_comes_too_late_learns_that_events_are_missing() {
    let server = TestServer::start(Choices {
        replay: 3,
        ..Choices::default()
    })
    .await;
    server.send("PUT", "/predictions/a", &small("a cat")).await;
    let late = stream(&server, "GET", "/predictions/a", &Value::Null).await;
    // start, seed, opening line; then for each of the four frames three metrics, a line and a
    // file; completed.
    let count = 3 + 4 * 5 + 1;
    assert_eq!(
        late.text,
        format!(
            "event: error\ndata: {{\"error\":\"SSE stream replay truncated; events were dropped\",\"skipped\":{}}}\n\n",
            count - 3
        )
    );
}

#[tokio::test]
async fn without_history_a_subscriber_gets_only_the_next_events() {
    let server = TestServer::start(Choices {
        replay: 0,
        ..Choices::default()
    })
    .await;
    server.send("PUT", "/predictions/a", &small("a cat")).await;
    let late = stream(&server, "GET", "/predictions/a", &Value::Null).await;
    assert_eq!(outline(&events(&late.text)), ["completed"]);
}

#[tokio::test]
async fn the_client_that_starts_a_drawing_gets_all_events_however_short_the_history() {
    for replay in [0, 1] {
        let server = TestServer::start(Choices {
            replay,
            ..Choices::default()
        })
        .await;
        let mut request = small("a cat");
        // Each is noted in the log.
        request["input"]["guidance"] = json!(7);
        request["input"]["scheduler"] = json!("K_EULER");
        let answer = stream(&server, "POST", "/predictions", &request).await;
        let received = events(&answer.text);
        let numbers: Vec<_> = received.iter().filter_map(|event| event.number).collect();
        assert_eq!(numbers, (1..=received.len() as u64).collect::<Vec<_>>());
        assert_eq!(outline(&received)[0], "start");
        assert_eq!(received.last().unwrap().name, "completed");
    }
}

#[tokio::test]
async fn a_subscriber_that_reads_too_slowly_learns_that_events_are_missing() {
    let choices = Choices::default();
    let Parts {
        router, service, ..
    } = parts(&choices);
    worker::start(
        std::sync::Arc::clone(&service),
        loader(&std::sync::Arc::default()),
    )
    .unwrap();
    while service.health().await.setup.completed_at.is_none() {
        pause().await;
    }
    let body = json!({"id": "fast", "input": {
        "num_paths": 1, "num_iterations": 400, "display_frequency": 1, "prompt": "a cat"
    }});
    let request = Request::post("/predictions")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    // Nobody takes a frame until all of them have been made.
    service
        .find("fast")
        .await
        .unwrap()
        .unwrap()
        .finished()
        .await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let received = events(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(outline(&received), ["error"]);
    assert_eq!(
        received[0].data["error"],
        "SSE stream lagged; events were dropped"
    );
    assert!(received[0].data["skipped"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_prediction_that_was_created_by_a_stream_runs_as_long_as_it_has_a_subscriber() {
    let server = TestServer::start(Choices::default()).await;
    let creator = open(&server, "POST", "/predictions", &with_id("s", "hold at 2")).await;
    server.hold().await;
    let other = open(&server, "GET", "/predictions/s", &Value::Null).await;
    subscribers(&server, "s", 2).await;
    drop(creator);
    subscribers(&server, "s", 1).await;
    let prediction = server.service.find("s").await.unwrap().unwrap();
    assert!(!prediction.is_cancel_requested());
    drop(other);
    subscribers(&server, "s", 0).await;
    assert!(prediction.is_cancel_requested());
    server.controls.release();
    assert_eq!(server.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn subscribers_of_a_prediction_in_the_background_come_and_go() {
    let server = TestServer::start(Choices::default()).await;
    server.post_async(&with_id("bg", "hold at 2")).await;
    server.hold().await;
    let listener = open(&server, "GET", "/predictions/bg", &Value::Null).await;
    subscribers(&server, "bg", 1).await;
    drop(listener);
    subscribers(&server, "bg", 0).await;
    server.controls.release();
    assert_eq!(server.finished("bg").await["status"], "succeeded");
}

#[tokio::test]
async fn one_subscriber_too_many_is_rejected_until_another_one_disconnects() {
    let mut choices = Choices::default();
    choices.limits.subscribers = 2;
    let server = TestServer::start(choices).await;
    server.post_async(&with_id("bg", "hold at 1")).await;
    server.hold().await;
    let first = open(&server, "GET", "/predictions/bg", &Value::Null).await;
    let second = open(&server, "GET", "/predictions/bg", &Value::Null).await;
    for (method, path) in [
        ("GET", "/predictions/bg"),
        ("PUT", "/predictions/bg"),
        ("POST", "/predictions"),
    ] {
        let answer = stream(&server, method, path, &small("a cat")).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.text, r#"{"error":"Too many stream subscribers"}"#);
    }
    drop(first);
    subscribers(&server, "bg", 1).await;
    while stream_is_refused(&server).await {
        pause().await;
    }
    server.controls.release();
    assert!(second.text().await.unwrap().contains("event: completed"));
}

async fn stream_is_refused(server: &TestServer) -> bool {
    let request = streaming(server.request("GET", "/predictions/bg"));
    let response = request.send().await.unwrap();
    response.status() == 429
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive() {
    let Parts {
        router, service, ..
    } = parts(&Choices::default());
    // Held by the engine for as long as the test wants: nothing but the clock moves.
    let controls = std::sync::Arc::default();
    worker::start(std::sync::Arc::clone(&service), loader(&controls)).unwrap();
    while service.health().await.setup.completed_at.is_none() {
        pause().await;
    }
    let request = Request::post("/predictions")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(Body::from(with_id("quiet", "hold at 0").to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let mut data = response.into_body().into_data_stream();
    let mut next = async || {
        let event = futures_util::StreamExt::next(&mut data)
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(event.to_vec()).unwrap()
    };
    let mut event = next().await;
    while !event.starts_with(':') {
        event = next().await;
    }
    assert_eq!(event, ": keep-alive\n\n");
    let before = tokio::time::Instant::now();
    assert_eq!(next().await, ": keep-alive\n\n");
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    controls.release();
}
