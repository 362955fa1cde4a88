//! Many connections at once: idle, slow and stalled ones, while a drawing is being made.

use std::time::Duration;

use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::server::{Choices, TestServer, pause, raw_post, small, with_id};

/// The maximum time for anything that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A response that is larger than what sockets and windows hold.
const LARGE: &str = "/docs/swagger-ui-bundle.js";

/// A client whose HTTP/2 windows are small, so that a response that it does not read stalls.
fn http2() -> Client {
    Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(65_535)
        .http2_initial_connection_window_size(65_535)
        .build()
        .unwrap()
}

async fn get(server: &TestServer, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut stream = server.connect(&head).await;
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    timeout(TIMEOUT, reading).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn beyond_the_limit_only_health_checks_are_answered_and_other_requests_get_the_reason() {
    let server = TestServer::start(Choices {
        connections: 50,
        ..Choices::default()
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(server.connect("").await);
    }
    // The test cannot see directly whether the server has accepted the last of them.
    while !get(&server, "/predictions")
        .await
        .starts_with("HTTP/1.1 503")
    {
        pause().await;
    }
    for path in ["/health-check", "/ready"] {
        let answer = get(&server, path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for path in ["/", "/predictions/x", "/metrics", "/nope"] {
        let answer = get(&server, path).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        assert!(
            answer.contains(r#"{"error":"Too many connections."#),
            "{answer}"
        );
    }
    let mut refused = server.connect(&raw_post("", &small("a cat"))).await;
    let mut text = String::new();
    refused.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert_eq!(server.known().await.len(), 0);
    // More silent connections than the reserve has: a health check has to wait for a moment.
    let silent: Vec<_> = (0..40).map(|_| server.connect("")).collect();
    let silent = futures_util::future::join_all(silent).await;
    let answer = get(&server, "/health-check").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop((silent, open));
    while !get(&server, "/predictions")
        .await
        .starts_with("HTTP/1.1 200")
    {
        pause().await;
    }
}

#[tokio::test]
async fn a_reader_on_http_2_that_stalls_is_timed_out() {
    let mut choices = Choices::default();
    choices.connection_timeouts.stuck = Duration::from_millis(300);
    let server = TestServer::start(choices).await;
    let client = http2();
    let stalled = client.get(server.url(LARGE)).send().await.unwrap();
    assert_eq!(stalled.status(), 200);
    sleep(Duration::from_millis(1500)).await;
    assert!(stalled.bytes().await.is_err(), "the connection is closed");
    // On another connection everything is read.
    let read = client.get(server.url(LARGE)).send().await.unwrap();
    assert!(read.bytes().await.unwrap().len() > 1_000_000);
}

#[tokio::test]
async fn a_reader_on_http_2_that_pauses_within_the_limit_gets_everything() {
    let mut choices = Choices::default();
    choices.connection_timeouts.stuck = Duration::from_secs(5);
    choices.connection_timeouts.head = Duration::from_millis(200);
    let server = TestServer::start(choices).await;
    let mut slow = http2().get(server.url(LARGE)).send().await.unwrap();
    let mut bytes = 0;
    for _ in 0..4 {
        sleep(Duration::from_millis(200)).await;
        bytes += slow.chunk().await.unwrap().unwrap().len();
    }
    while let Some(chunk) = slow.chunk().await.unwrap() {
        bytes += chunk.len();
    }
    assert!(bytes > 1_000_000, "{bytes}");
}

#[tokio::test]
async fn an_http_2_connection_has_a_limited_number_of_streams() {
    let server = TestServer::start(Choices {
        streams: 2,
        queue: 10,
        ..Choices::default()
    })
    .await;
    let client = http2();
    let open = |id: &str| {
        let request = client.post(server.url("/predictions"));
        tokio::spawn(request.json(&with_id(id, "hold at 1")).send())
    };
    let first = open("a");
    server.hold().await;
    let others = [open("b"), open("c")];
    while server.known().await.len() < 2 {
        pause().await;
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.known().await.len(), 2, "the third has to wait");
    server.controls.release();
    for request in std::iter::once(first).chain(others) {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
}

/// A connection whose client reads a few bytes at a time.
async fn read_slowly(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
        sleep(Duration::from_millis(20)).await;
    }
}

/// A connection whose client sends a byte at a time.
async fn send_slowly(mut stream: TcpStream, text: String) {
    for byte in text.into_bytes() {
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drawing_continues_despite_many_idle_slow_and_stalled_clients() {
    const IDLE: usize = 300;
    const SLOW: usize = 20;
    let mut choices = Choices::default();
    choices.connection_timeouts.head = Duration::from_millis(500);
    choices.connection_timeouts.stuck = Duration::from_millis(500);
    choices.limits.body_timeout = Duration::from_millis(500);
    let server = TestServer::start(choices).await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(server.connect("").await);
    }
    let client = http2();
    let request = format!("GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut slow = Vec::new();
    let mut stalled = Vec::new();
    for _ in 0..SLOW {
        let reader = server.connect(&request.repeat(10)).await;
        slow.push(tokio::spawn(read_slowly(reader)));
        let head = server.connect("").await;
        slow.push(tokio::spawn(send_slowly(head, request.clone())));
        let body = server.connect("").await;
        slow.push(tokio::spawn(send_slowly(
            body,
            raw_post("", &small("a cat")),
        )));
        stalled.push(server.connect(&request.repeat(10)).await);
        let response = client.get(server.url(LARGE)).send().await;
        drop(response);
        stalled.push(server.connect(&raw_post("", &small("a cat"))[..80]).await);
    }
    for round in 0..5 {
        let answer = timeout(TIMEOUT, server.post(&small("sleep 20"))).await;
        assert_eq!(answer.unwrap().json()["status"], "succeeded", "{round}");
        let health = timeout(TIMEOUT, get(&server, "/health-check"))
            .await
            .unwrap();
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    }
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    drop((idle, stalled));
    assert_eq!(server.post(&small("a cat")).await.status, 200);
}
