//! Clients that disconnect, are slow, stall or use HTTP/2, and a server that closes connections.

use std::time::Duration;

use reqwest::Version;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::server::{Answer, Choices, TestServer, pause, raw_post, small, with_id};

/// Everything that the server still sends on a connection until it closes it.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too: the server closes while bytes of ours are on their way.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the received text ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        stream.read_exact(&mut byte).await.unwrap();
        text.push(char::from(byte[0]));
    }
    text
}

fn with_timeouts(head: Duration, idle: Duration, stuck: Duration) -> Choices {
    let mut choices = Choices::default();
    choices.connection_timeouts.head = head;
    choices.connection_timeouts.idle = idle;
    choices.connection_timeouts.stuck = stuck;
    choices
}

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);

/// Waits until the cancellation of a prediction is requested.
async fn cancel_requested(server: &TestServer, id: &str) {
    let prediction = server.service.find(id).await.unwrap().unwrap();
    while !prediction.is_cancel_requested() {
        pause().await;
    }
}

#[tokio::test]
async fn a_client_that_disconnects_cancels_the_prediction_that_it_waits_for() {
    let server = TestServer::start(Choices::default()).await;
    let stream = server
        .connect(&raw_post("", &with_id("s", "hold at 1")))
        .await;
    server.hold().await;
    drop(stream);
    cancel_requested(&server, "s").await;
    server.controls.release();
    assert_eq!(server.finished("s").await["status"], "canceled");
    assert_eq!(server.post(&small("a cat")).await.status, 200);
}

#[tokio::test]
async fn a_client_that_closes_its_half_of_the_connection_counts_as_disconnected_as_in_cog() {
    let server = TestServer::start(Choices::default()).await;
    let mut stream = server
        .connect(&raw_post("", &with_id("s", "hold at 1")))
        .await;
    server.hold().await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    server.controls.release();
    assert_eq!(server.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn a_client_that_disconnects_after_202_changes_nothing() {
    let server = TestServer::start(Choices::default()).await;
    let request = raw_post("Prefer: respond-async\r\n", &with_id("bg", "hold at 1"));
    let mut stream = server.connect(&request).await;
    read_until(&mut stream, "\r\n\r\n").await;
    drop(stream);
    server.hold().await;
    server.controls.release();
    assert_eq!(server.finished("bg").await["status"], "succeeded");
}

#[tokio::test]
async fn a_head_that_does_not_end_times_out() {
    let server = TestServer::start(with_timeouts(SHORT, LONG, LONG)).await;
    let mut stream = server
        .connect("GET /health-check HTTP/1.1\r\nHost: he")
        .await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_between_requests_but_not_during_one() {
    let server = TestServer::start(with_timeouts(LONG, SHORT, LONG)).await;
    let mut stream = server.connect(&raw_post("", &small("sleep 100"))).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(rest(&mut stream).await.contains("succeeded"));
}

#[tokio::test]
async fn a_body_that_stalls_is_rejected() {
    let mut choices = Choices::default();
    choices.limits.body_timeout = SHORT;
    let server = TestServer::start(choices).await;
    let whole = raw_post("", &small("a cat"));
    let mut stream = server.connect(&whole[..whole.len() - 5]).await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        answer.contains("Failed to buffer the request body"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_response_that_is_not_read_is_given_up() {
    const REQUESTS: usize = 40;
    let server = TestServer::start(with_timeouts(LONG, LONG, SHORT)).await;
    // More than any socket buffers.
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let size = server.get("/docs/swagger-ui-bundle.js").await.text.len();
    let mut stream = server.connect(&request.repeat(REQUESTS)).await;
    tokio::time::sleep(20 * SHORT).await;
    let received = rest(&mut stream).await.len();
    assert!(
        received < REQUESTS * size,
        "{received} bytes came all the same"
    );
}

#[tokio::test]
async fn clients_that_start_with_http_2_are_answered_in_http_2() {
    let server = TestServer::start(Choices::default()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let request = client
        .post(server.url("/predictions"))
        .json(&small("a cat"));
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.version(), response.status().as_u16()),
        (Version::HTTP_2, 200)
    );
    let request = client
        .post(server.url("/predictions"))
        .json(&with_id("s", "hold at 1"));
    let leaving = tokio::spawn(request.send());
    server.hold().await;
    leaving.abort();
    cancel_requested(&server, "s").await;
    server.controls.release();
    assert_eq!(server.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn a_closing_server_refuses_connections_ends_idle_ones_and_finishes_what_is_under_way() {
    let server = TestServer::start(Choices {
        queue: 2,
        ..Choices::default()
    })
    .await;
    let mut idle = server
        .connect("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    read_until(&mut idle, "}").await;
    let mut silent = server.connect("").await;
    let mut sync = server
        .connect(&raw_post("", &with_id("sync", "hold at 1")))
        .await;
    server.hold().await;
    let waiting = [
        ("Prefer: respond-async\r\n", "bg"),
        ("Accept: text/event-stream\r\n", "sse"),
    ];
    let mut streams = Vec::new();
    for (header, id) in waiting {
        let mut stream = server
            .connect(&raw_post(header, &with_id(id, "a cat")))
            .await;
        read_until(&mut stream, "\r\n\r\n").await;
        streams.push(stream);
    }
    let mut stream = streams.pop().unwrap();

    server.service.close().await;
    server.closing.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    while TcpStream::connect(server.address).await.is_ok() {
        pause().await;
    }
    server.controls.release();
    let answer = rest(&mut sync).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("succeeded"), "{answer}");
    let events = rest(&mut stream).await;
    assert!(events.contains("event: completed"), "{events}");
    server.service.drained().await;
    assert!(
        server
            .service
            .find("bg")
            .await
            .unwrap()
            .unwrap()
            .status()
            .is_terminal()
    );
    server.connections.await.unwrap();
}

#[tokio::test]
async fn an_open_connection_gets_the_error_that_the_server_is_shutting_down() {
    let server = TestServer::start(Choices::default()).await;
    server.service.close().await;
    let answer = server.post(&small("a cat")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json(),
        json!({"error": "The server is shutting down.", "status": "failed"})
    );
    assert_eq!(
        Answer::read(server.request("GET", "/ready")).await.status,
        503
    );
}

#[tokio::test]
async fn an_unread_body_does_not_lose_the_response() {
    let server = TestServer::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    // Refused for want of the token, before the body is there.
    let whole = raw_post("", &small("a cat"));
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let mut stream = server.connect(&format!("{head}\r\n\r\n")).await;
    tokio::time::sleep(SHORT).await;
    let next = "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream
        .write_all(format!("{body}{next}").as_bytes())
        .await
        .unwrap();
    let refused = read_until(&mut stream, "}").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let ready = read_until(&mut stream, "}").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
}

#[tokio::test]
async fn a_body_that_is_never_sent_does_not_delay_its_rejection() {
    let server = TestServer::start(Choices::default()).await;
    let head = "GET /ready HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n";
    let mut waiting = server.connect(&format!("{head}\r\n")).await;
    let mut asking = server
        .connect(&format!("{head}Expect: 100-continue\r\n\r\n"))
        .await;
    for stream in [&mut asking, &mut waiting] {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
