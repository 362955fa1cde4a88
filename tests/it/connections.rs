//! Clients that leave, dawdle, fall silent or speak HTTP/2, and a server that closes.

use std::time::Duration;

use reqwest::Version;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::server::{Answer, Choices, Site, named, pause, raw_post, small};

/// Everything that the server still says on a connection, until it closes it.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too: the server closes while bytes of ours are on their way.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until what has come ends with some text.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        stream.read_exact(&mut byte).await.unwrap();
        text.push(char::from(byte[0]));
    }
    text
}

fn patient(head: Duration, idle: Duration, stuck: Duration) -> Choices {
    let mut choices = Choices::default();
    choices.connection_timeouts.head = head;
    choices.connection_timeouts.idle = idle;
    choices.connection_timeouts.stuck = stuck;
    choices
}

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_client_that_leaves_cancels_the_prediction_that_it_waits_for() {
    let site = Site::start(Choices::default()).await;
    let stream = site.connect(&raw_post("", &named("s", "hold at 1"))).await;
    site.hold().await;
    drop(stream);
    while !site.service.find("s").await.unwrap().is_cancel_requested() {
        pause().await;
    }
    site.controls.release();
    assert_eq!(site.finished("s").await["status"], "canceled");
    assert_eq!(site.post(&small("a cat")).await.status, 200);
}

#[tokio::test]
async fn a_client_that_has_nothing_more_to_say_counts_as_gone_as_in_cog() {
    let site = Site::start(Choices::default()).await;
    let mut stream = site.connect(&raw_post("", &named("s", "hold at 1"))).await;
    site.hold().await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    site.controls.release();
    assert_eq!(site.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn a_client_that_leaves_after_202_changes_nothing() {
    let site = Site::start(Choices::default()).await;
    let request = raw_post("Prefer: respond-async\r\n", &named("bg", "hold at 1"));
    let mut stream = site.connect(&request).await;
    read_until(&mut stream, "\r\n\r\n").await;
    drop(stream);
    site.hold().await;
    site.controls.release();
    assert_eq!(site.finished("bg").await["status"], "succeeded");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let site = Site::start(patient(SHORT, LONG, LONG)).await;
    let mut stream = site.connect("GET /health-check HTTP/1.1\r\nHost: he").await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_connection_is_closed_after_a_silence_between_requests_but_not_during_one() {
    let site = Site::start(patient(LONG, SHORT, LONG)).await;
    let mut stream = site.connect(&raw_post("", &small("sleep 100"))).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(rest(&mut stream).await.contains("succeeded"));
}

#[tokio::test]
async fn a_body_that_does_not_go_on_is_refused() {
    let mut choices = Choices::default();
    choices.limits.body_timeout = SHORT;
    let site = Site::start(choices).await;
    let whole = raw_post("", &small("a cat"));
    let mut stream = site.connect(&whole[..whole.len() - 5]).await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        answer.contains("Failed to buffer the request body"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    const REQUESTS: usize = 40;
    let site = Site::start(patient(LONG, LONG, SHORT)).await;
    // More than any socket buffers.
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n\r\n";
    let size = site.get("/docs/swagger-ui-bundle.js").await.text.len();
    let mut stream = site.connect(&request.repeat(REQUESTS)).await;
    tokio::time::sleep(20 * SHORT).await;
    let received = rest(&mut stream).await.len();
    assert!(
        received < REQUESTS * size,
        "{received} bytes came all the same"
    );
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_begin_with_it() {
    let site = Site::start(Choices::default()).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let request = client.post(site.url("/predictions")).json(&small("a cat"));
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.version(), response.status().as_u16()),
        (Version::HTTP_2, 200)
    );
    let request = client
        .post(site.url("/predictions"))
        .json(&named("s", "hold at 1"));
    let leaving = tokio::spawn(request.send());
    site.hold().await;
    leaving.abort();
    while !site.service.find("s").await.unwrap().is_cancel_requested() {
        pause().await;
    }
    site.controls.release();
    assert_eq!(site.finished("s").await["status"], "canceled");
}

#[tokio::test]
async fn a_closing_server_refuses_connections_ends_idle_ones_and_finishes_what_is_under_way() {
    let site = Site::start(Choices {
        queue: 2,
        ..Choices::default()
    })
    .await;
    let mut idle = site
        .connect("GET /ready HTTP/1.1\r\nHost: here\r\n\r\n")
        .await;
    read_until(&mut idle, "}").await;
    let mut silent = site.connect("").await;
    let mut sync = site
        .connect(&raw_post("", &named("sync", "hold at 1")))
        .await;
    site.hold().await;
    let waiting = [
        ("Prefer: respond-async\r\n", "bg"),
        ("Accept: text/event-stream\r\n", "sse"),
    ];
    let mut streams = Vec::new();
    for (header, id) in waiting {
        let mut stream = site.connect(&raw_post(header, &named(id, "a cat"))).await;
        read_until(&mut stream, "\r\n\r\n").await;
        streams.push(stream);
    }
    let mut stream = streams.pop().unwrap();

    site.service.close().await;
    site.closing.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    while TcpStream::connect(site.address).await.is_ok() {
        pause().await;
    }
    site.controls.release();
    let answer = rest(&mut sync).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("succeeded"), "{answer}");
    let events = rest(&mut stream).await;
    assert!(events.contains("event: completed"), "{events}");
    site.service.drained().await;
    assert!(
        site.service
            .find("bg")
            .await
            .unwrap()
            .status()
            .is_terminal()
    );
    site.connections.await.unwrap();
}

#[tokio::test]
async fn an_open_connection_hears_that_the_server_takes_no_more_work() {
    let site = Site::start(Choices::default()).await;
    site.service.close().await;
    let answer = site.post(&small("a cat")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json(),
        json!({"error": "The server is shutting down.", "status": "failed"})
    );
    assert_eq!(
        Answer::read(site.request("GET", "/ready")).await.status,
        503
    );
}

#[tokio::test]
async fn a_body_that_nobody_reads_takes_no_answer_away() {
    let site = Site::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    // Refused for want of the token, before the body is there.
    let whole = raw_post("", &small("a cat"));
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let mut stream = site.connect(&format!("{head}\r\n\r\n")).await;
    tokio::time::sleep(SHORT).await;
    let next = "GET /ready HTTP/1.1\r\nHost: here\r\n\r\n";
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
async fn a_body_that_never_comes_does_not_keep_its_refusal_back() {
    let site = Site::start(Choices::default()).await;
    let head = "GET /ready HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n";
    let mut waiting = site.connect(&format!("{head}\r\n")).await;
    let mut asking = site
        .connect(&format!("{head}Expect: 100-continue\r\n\r\n"))
        .await;
    for stream in [&mut asking, &mut waiting] {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
