//! How long clients wait, with times that are shorter than those of the program.

use std::time::{Duration, Instant};

use clipdraw::http::WaitLimits;
use reqwest::Response;

use crate::client::{body, create, path};
use crate::support::server::{Answer, Choices, TestServer};

async fn server() -> TestServer {
    TestServer::start(Choices {
        long_queue: 8,
        waits: WaitLimits {
            prefer_wait: Duration::from_secs(1),
            silence: Duration::from_millis(200),
        },
        ..Choices::default()
    })
    .await
}

/// The longest time between two chunks of a response, and its text.
async fn longest_silence(mut response: Response) -> (Duration, String) {
    let (mut longest, mut text) = (Duration::ZERO, String::new());
    let mut last = Instant::now();
    while let Some(chunk) = response.chunk().await.unwrap() {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    (longest, text)
}

#[tokio::test]
async fn a_wait_ends_before_the_client_stops_reading_however_long_it_asks_for() {
    let server = server().await;
    for preference in ["wait", "wait=60", "wait=600", "wait=1"] {
        let sent = Instant::now();
        let request = create(&server, "clipdraw/clipdraw", &body("hold at 1"));
        let answer = Answer::read(request.header("prefer", preference)).await;
        let time = sent.elapsed();
        assert_eq!(answer.status, 202, "{preference}");
        assert_eq!(answer.header("preference-applied"), Some("wait=1"));
        assert_eq!(answer.json()["status"], "starting");
        let expected = Duration::from_millis(750)..Duration::from_secs(20);
        assert!(expected.contains(&time), "{preference}: {time:?}");
    }
    server.controls.release();
}

#[tokio::test]
async fn a_silent_stream_says_something_within_the_time_that_clients_read_for() {
    let server = server().await;
    let mut body = body("sleep 3000 for long");
    body["input"]["num_iterations"] = 1.into();
    let state = Answer::read(create(&server, "clipdraw/clipdraw", &body)).await;
    let state = state.json();
    let replicate = server.request("GET", path(&server, &state["urls"]["stream"]));
    let cog = server.request("POST", "/predictions").json(&body);
    for stream in [replicate, cog.header("accept", "text/event-stream")] {
        let (silence, text) = longest_silence(stream.send().await.unwrap()).await;
        assert!(silence < Duration::from_secs(2), "{silence:?}");
        assert!(text.matches(": keep-alive\n\n").count() >= 5, "{text}");
        assert!(
            text.contains("event: done\n") || text.contains("event: completed\n"),
            "{text}"
        );
    }
}

#[test]
fn the_times_of_the_program_are_those_that_the_clients_expect() {
    let waits = WaitLimits::default();
    assert_eq!(
        waits.prefer_wait,
        Duration::from_mins(1),
        "Python 1.0.7 reads for 60.5 s"
    );
    assert!(
        waits.silence <= Duration::from_secs(20),
        "it reads a stream for 30 s"
    );
}
