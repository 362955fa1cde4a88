//! Streams of events, byte by byte, from the beginning, from the middle and after the end.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use clipdraw::http::CompletedOutput;
use clipdraw::service::worker;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::fake_engine::loader;
use crate::support::server::{Answer, Choices, Parts, Site, named, parts, pause, small};

/// One frame of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Frame {
    number: Option<u64>,
    name: String,
    data: Value,
}

fn frames(text: &str) -> Vec<Frame> {
    assert!(text.ends_with("\n\n"), "{text:?}");
    let frames = text.trim_end().split("\n\n");
    frames
        .filter(|text| !text.starts_with(':'))
        .map(frame)
        .collect()
}

fn frame(text: &str) -> Frame {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::to_owned)
    };
    Frame {
        number: field("id: ").map(|number| number.parse().unwrap()),
        name: field("event: ").unwrap(),
        data: serde_json::from_str(&field("data: ").unwrap()).unwrap(),
    }
}

fn streaming(request: RequestBuilder) -> RequestBuilder {
    request.header("accept", "text/event-stream")
}

async fn stream(site: &Site, method: &str, path: &str, body: &Value) -> Answer {
    Answer::read(streaming(site.request(method, path).json(body))).await
}

/// Opens a stream and waits for its head alone.
async fn open(site: &Site, method: &str, path: &str, body: &Value) -> Response {
    let request = streaming(site.request(method, path).json(body));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

async fn subscribers(site: &Site, id: &str, count: usize) {
    while site.service.find(id).await.unwrap().subscribers() != count {
        pause().await;
    }
}

fn outline(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.name.as_str()).collect()
}

#[tokio::test]
async fn a_stream_tells_everything_in_order_with_cogs_words_and_then_ends() {
    let site = Site::start(Choices::default()).await;
    let answer = stream(&site, "POST", "/predictions", &named("s", "a cat")).await;
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
    let frames = frames(&answer.text);
    let numbers: Vec<_> = frames.iter().filter_map(|frame| frame.number).collect();
    assert_eq!(numbers, (1..=frames.len() as u64).collect::<Vec<_>>());
    assert_eq!(outline(&frames)[..3], ["start", "metric", "log"]);
    assert_eq!(
        frames[1].data,
        json!({"mode": "replace", "name": "seed", "value": 7})
    );
    assert_eq!(frames[2].data["source"], "stdout");
    assert!(frames[2].data["data"].as_str().unwrap().ends_with('\n'));
    let outputs: Vec<_> = frames
        .iter()
        .filter(|frame| frame.name == "output")
        .collect();
    for (index, output) in outputs.iter().enumerate() {
        assert_eq!(output.data["index"], index);
        let file = output.data["chunk"].as_str().unwrap();
        assert!(file.starts_with("data:image/svg+xml;base64,"), "{file}");
    }
    let end = frames.last().unwrap();
    assert_eq!(end.name, "completed");
    let mut state = site.get("/predictions/s").await.json();
    let files = state.as_object_mut().unwrap().remove("output").unwrap();
    assert_eq!(end.data, state, "the files were sent before");
    let chunks = outputs.iter().map(|output| output.data["chunk"].clone());
    assert_eq!(files, chunks.collect::<Value>());
}

/// The files of all `output` events, and those of `completed`.
fn files(frames: &[Frame]) -> (Vec<Value>, Vec<Value>) {
    let outputs = frames.iter().filter(|frame| frame.name == "output");
    let sent = outputs.map(|output| output.data["chunk"].clone()).collect();
    let end = frames.last().unwrap();
    assert_eq!(end.name, "completed");
    let repeated = end.data["output"].as_array().cloned();
    (sent, repeated.unwrap_or_default())
}

#[tokio::test]
async fn no_file_is_sent_twice_on_a_stream_and_none_is_missing() {
    let site = Site::start(Choices::default()).await;
    site.send("PUT", "/predictions/a", &small("a cat")).await;
    let all = site.get("/predictions/a").await.json()["output"].clone();
    let all = all.as_array().unwrap();
    let whole = stream(&site, "GET", "/predictions/a", &Value::Null).await;
    let last = frames(&whole.text).last().unwrap().number.unwrap();
    for after in 0..last {
        let request = streaming(site.request("GET", "/predictions/a"));
        let answer = Answer::read(request.header("last-event-id", after.to_string())).await;
        let (sent, rest) = files(&frames(&answer.text));
        assert_eq!([rest, sent].concat(), *all, "after {after}");
    }
    let (sent, rest) = files(&frames(&whole.text));
    assert_eq!((sent.len(), rest.len()), (all.len(), 0));
}

#[tokio::test]
async fn completed_repeats_every_file_where_the_operator_wants_it_as_in_cog() {
    let site = Site::start(Choices {
        completed_output: CompletedOutput::All,
        ..Choices::default()
    })
    .await;
    let answer = stream(&site, "POST", "/predictions", &named("a", "a cat")).await;
    let all = frames(&answer.text);
    let (sent, repeated) = files(&all);
    assert_eq!(sent, repeated);
    let state = site.get("/predictions/a").await.json();
    assert_eq!(all.last().unwrap().data, state);
}

#[tokio::test]
async fn a_failure_is_a_completed_event() {
    let site = Site::start(Choices::default()).await;
    let answer = stream(&site, "POST", "/predictions", &small("fail at 1")).await;
    assert_eq!(answer.status, 200);
    let frames = frames(&answer.text);
    let end = frames.last().unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data["status"]),
        ("completed", &json!("failed"))
    );
    let wrong = stream(
        &site,
        "POST",
        "/predictions",
        &json!({"input": {"seed": "x"}}),
    )
    .await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn who_comes_late_is_told_from_the_beginning_and_who_comes_back_the_rest() {
    let site = Site::start(Choices::default()).await;
    site.send("PUT", "/predictions/first", &small("a cat"))
        .await;
    let request = site
        .request("PUT", "/predictions/live")
        .json(&small("hold at 2"));
    Answer::read(request.header("prefer", "respond-async")).await;
    site.hold().await;
    site.told("live", 4).await;
    let late = open(&site, "PUT", "/predictions/live", &small("ignored")).await;
    let polled = open(&site, "GET", "/predictions/live", &Value::Null).await;
    let back = streaming(site.request("GET", "/predictions/live")).header("last-event-id", "4");
    let back = back.send().await.unwrap();
    subscribers(&site, "live", 3).await;
    site.controls.release();
    let all = frames(&late.text().await.unwrap());
    assert_eq!(all[0].number, Some(1));
    assert_eq!(all.last().unwrap().data["status"], "succeeded");
    assert_eq!(frames(&polled.text().await.unwrap()), all);
    let mut back = frames(&back.text().await.unwrap());
    // Event 4 was before the first file or behind it; `completed` has what this stream did not send.
    let (sent, rest) = files(&back);
    assert_eq!([rest, sent].concat(), files(&all).0);
    back.last_mut().unwrap().data = all.last().unwrap().data.clone();
    assert_eq!(back, all[4..]);

    let remembered = stream(&site, "GET", "/predictions/first", &Value::Null).await;
    let remembered = frames(&remembered.text);
    assert_eq!(outline(&remembered)[0], "start");
    assert_eq!(remembered.last().unwrap().data["id"], "first");
    let last = remembered.last().unwrap().number.unwrap().to_string();
    let request = streaming(site.request("GET", "/predictions/first"));
    let nothing = Answer::read(request.header("last-event-id", last)).await;
    assert_eq!(
        nothing.status, 204,
        "a browser does not come back after 204"
    );
}

#[tokio::test]
async fn who_comes_too_late_learns_that_events_are_missing() {
    let site = Site::start(Choices {
        replay: 3,
        ..Choices::default()
    })
    .await;
    site.send("PUT", "/predictions/a", &small("a cat")).await;
    let late = stream(&site, "GET", "/predictions/a", &Value::Null).await;
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
async fn without_history_only_what_comes_next_is_told() {
    let site = Site::start(Choices {
        replay: 0,
        ..Choices::default()
    })
    .await;
    site.send("PUT", "/predictions/a", &small("a cat")).await;
    let late = stream(&site, "GET", "/predictions/a", &Value::Null).await;
    assert_eq!(outline(&frames(&late.text)), ["completed"]);
}

#[tokio::test]
async fn who_asks_for_a_drawing_is_told_all_of_it_however_little_is_kept_for_others() {
    for replay in [0, 1] {
        let site = Site::start(Choices {
            replay,
            ..Choices::default()
        })
        .await;
        let mut request = small("a cat");
        // Noted in the log before the worker hears of the drawing.
        request["input"]["guidance"] = json!(7);
        request["input"]["scheduler"] = json!("K_EULER");
        let answer = stream(&site, "POST", "/predictions", &request).await;
        let frames = frames(&answer.text);
        let numbers: Vec<_> = frames.iter().filter_map(|frame| frame.number).collect();
        assert_eq!(numbers, (1..=frames.len() as u64).collect::<Vec<_>>());
        assert_eq!(outline(&frames)[0], "log");
        assert_eq!(frames.last().unwrap().name, "completed");
    }
}

#[tokio::test]
async fn who_reads_too_slowly_learns_that_events_are_missing() {
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
    service.find("fast").await.unwrap().finished().await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let frames = frames(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(outline(&frames), ["error"]);
    assert_eq!(
        frames[0].data["error"],
        "SSE stream lagged; events were dropped"
    );
    assert!(frames[0].data["skipped"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_prediction_that_was_created_by_a_stream_lives_as_long_as_somebody_listens() {
    let site = Site::start(Choices::default()).await;
    let creator = open(&site, "POST", "/predictions", &named("s", "hold at 2")).await;
    site.hold().await;
    let other = open(&site, "GET", "/predictions/s", &Value::Null).await;
    subscribers(&site, "s", 2).await;
    drop(creator);
    subscribers(&site, "s", 1).await;
    let prediction = site.service.find("s").await.unwrap();
    assert!(!prediction.is_cancel_requested());
    drop(other);
    subscribers(&site, "s", 0).await;
    assert!(prediction.is_cancel_requested());
    site.controls.release();
    assert_eq!(site.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn listeners_of_a_prediction_in_the_background_come_and_go() {
    let site = Site::start(Choices::default()).await;
    site.post_async(&named("bg", "hold at 2")).await;
    site.hold().await;
    let listener = open(&site, "GET", "/predictions/bg", &Value::Null).await;
    subscribers(&site, "bg", 1).await;
    drop(listener);
    subscribers(&site, "bg", 0).await;
    site.controls.release();
    assert_eq!(site.finished("bg").await["status"], "succeeded");
}

#[tokio::test]
async fn one_listener_too_many_is_refused_and_a_seat_that_was_left_is_free() {
    let mut choices = Choices::default();
    choices.limits.subscribers = 2;
    let site = Site::start(choices).await;
    site.post_async(&named("bg", "hold at 1")).await;
    site.hold().await;
    let first = open(&site, "GET", "/predictions/bg", &Value::Null).await;
    let second = open(&site, "GET", "/predictions/bg", &Value::Null).await;
    for (method, path) in [
        ("GET", "/predictions/bg"),
        ("PUT", "/predictions/bg"),
        ("POST", "/predictions"),
    ] {
        let answer = stream(&site, method, path, &small("a cat")).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.text, r#"{"error":"Too many stream subscribers"}"#);
    }
    drop(first);
    subscribers(&site, "bg", 1).await;
    while stream_is_refused(&site).await {
        pause().await;
    }
    site.controls.release();
    assert!(second.text().await.unwrap().contains("event: completed"));
}

async fn stream_is_refused(site: &Site) -> bool {
    let request = streaming(site.request("GET", "/predictions/bg"));
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
        .body(Body::from(named("quiet", "hold at 0").to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let mut data = response.into_body().into_data_stream();
    let mut next = async || {
        let frame = futures_util::StreamExt::next(&mut data)
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    let mut frame = next().await;
    while !frame.starts_with(':') {
        frame = next().await;
    }
    assert_eq!(frame, ": keep-alive\n\n");
    let before = tokio::time::Instant::now();
    assert_eq!(next().await, ": keep-alive\n\n");
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    controls.release();
}
