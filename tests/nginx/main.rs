//! `deploy/nginx.conf` before the real server: events arrive one by one, a client that disconnects cancels its drawing, large
//! bodies arrive whole in both directions, and addresses in answers lead back to nginx. Skipped where nginx is not installed, except in CI.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed as it should"
)]

#[path = "../it/support/skip.rs"]
mod skip;
mod proxy;
mod servers;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use servers::{Proxied, TIMEOUT};

/// The inputs of a drawing that takes minutes.
fn endless() -> Value {
    json!({"input": {"prompt": "a house", "num_iterations": 10_000, "display_frequency": 5, "num_paths": 32, "seed": 1}})
}

/// The inputs of a drawing with a given number of frames, one a step.
fn short(frames: u32) -> Value {
    json!({"input": {
        "prompt": "a house", "num_iterations": frames, "display_frequency": 1, "num_paths": 16, "seed": 1,
        "num_augmentations": 1
    }})
}

/// Waits until the server says, without nginx, that a prediction has a status.
fn wait_for_status(proxied: &Proxied, id: &str, status: &str) {
    let began = Instant::now();
    let url = format!("http://{}/predictions/{id}", proxied.server);
    loop {
        let state: Option<Value> = proxied.client.get(&url).send().unwrap().json().ok();
        let found = state.map_or(Value::Null, |state| state["status"].clone());
        if found == status {
            return;
        }
        assert!(began.elapsed() < TIMEOUT, "{id} is {found}, not {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a request over a connection of its own, which ends when it is dropped.
fn request(proxied: &Proxied, id: &str, headers: &str, body: &Value) -> TcpStream {
    let mut connection = TcpStream::connect(&proxied.nginx).unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    let body = body.to_string();
    write!(
        connection,
        "PUT /predictions/{id} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        proxied.nginx,
        body.len()
    )
    .unwrap();
    connection
}

#[test]
fn events_arrive_while_the_drawing_is_made() {
    let Some(proxied) = Proxied::start() else {
        return;
    };
    let stream = request(
        &proxied,
        "stream",
        "Accept: text/event-stream\r\n",
        &endless(),
    );
    let mut events = 0;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        assert_ne!(line, "event: completed");
        events += usize::from(line == "event: output");
        if events == 5 {
            break;
        }
    }
    assert_eq!(events, 5, "the stream ended early");
}

#[test]
fn a_client_that_disconnects_cancels_its_drawing() {
    let Some(proxied) = Proxied::start() else {
        return;
    };
    for (id, headers) in [
        ("waiting", ""),
        ("following", "Accept: text/event-stream\r\n"),
    ] {
        let connection = request(&proxied, id, headers, &endless());
        wait_for_status(&proxied, id, "processing");
        drop(connection);
        wait_for_status(&proxied, id, "canceled");
    }
}

#[test]
fn a_stream_is_resumed_behind_the_last_event() {
    let Some(proxied) = Proxied::start() else {
        return;
    };
    let url = format!("http://{}/predictions/resumed", proxied.nginx);
    let put = proxied
        .client
        .put(&url)
        .header("prefer", "respond-async")
        .json(&short(5));
    assert_eq!(put.send().unwrap().status(), 202);
    let events = |after: Option<&str>| {
        let request = proxied
            .client
            .get(&url)
            .header("accept", "text/event-stream");
        let request = after
            .into_iter()
            .fold(request, |request, id| request.header("last-event-id", id));
        request.send().unwrap().text().unwrap()
    };
    let whole = events(None);
    assert!(whole.contains("event: completed"));
    let (_, rest) = whole.split_once("\n\n").unwrap();
    let first = whole
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    let resumed = events(Some(first));
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with(": "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // `completed` repeats the files that the same stream has not sent; both streams have sent all of them.
    assert_eq!(lines(&resumed), lines(rest));
}

#[test]
fn bodies_beyond_the_buffers_of_nginx_arrive_whole() {
    let Some(proxied) = Proxied::start() else {
        return;
    };
    // Five megabytes of an SVG that has one stroke and a long comment.
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 224 224'><!--{}--><path d='M10 10L200 200' stroke='black'/></svg>",
        "x".repeat(5 << 20)
    );
    let mut body = short(30);
    body["input"]["init_svg"] = format!("data:image/svg+xml,{}", svg.replace('#', "%23")).into();
    let url = format!("http://{}/predictions", proxied.nginx);
    let answer = proxied.client.post(url).json(&body).send().unwrap();
    assert_eq!(answer.status(), 200);
    let state: Value = answer.json().unwrap();
    assert_eq!(state["status"], "succeeded");
    assert_eq!(state["output"].as_array().unwrap().len(), 31);
}

#[test]
fn pages_from_the_address_of_nginx_may_draw_and_others_may_not() {
    let Some(proxied) = Proxied::start() else {
        return;
    };
    let from = |origin: &str| {
        let request = proxied
            .client
            .post(format!("http://{}/predictions", proxied.nginx));
        let request = request.header("origin", origin).json(&short(1));
        request.send().unwrap().status().as_u16()
    };
    assert_eq!(from(&format!("http://{}", proxied.nginx)), 200);
    assert_eq!(from("http://elsewhere.example.com"), 403);
}

/// The prediction of a request for the final drawing, as a load balancer in front of nginx passes it on.
fn drawn(proxied: &Proxied, path: &str, scheme: Option<&str>) -> Value {
    let url = format!(
        "http://{}{path}v1/models/clipdraw/clipdraw-final/predictions",
        proxied.nginx
    );
    let request = proxied
        .client
        .post(url)
        .header("prefer", "wait")
        .json(&short(2));
    let request = scheme.into_iter().fold(request, |request, scheme| {
        request.header("x-forwarded-proto", scheme)
    });
    let answer = request.send().unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().unwrap()
}

#[test]
fn addresses_lead_back_to_nginx_behind_a_load_balancer_and_under_a_path() {
    for path in ["/", "/draw/"] {
        let Some(proxied) = Proxied::under(path) else {
            return;
        };
        for (scheme, expected) in [
            (None, "http"),
            (Some("http"), "http"),
            (Some("https"), "https"),
            (Some("https, http"), "https"),
        ] {
            let state = drawn(&proxied, path, scheme);
            let base = format!("{expected}://{}{path}", proxied.nginx);
            let urls = state["urls"].as_object().unwrap().values();
            let mut addresses: Vec<_> = urls.map(|url| url.as_str().unwrap()).collect();
            let output = state["output"].as_str().unwrap();
            if expected == "https" {
                addresses.push(output);
            } else {
                assert!(output.starts_with("data:"), "{output}");
            }
            for address in addresses {
                assert!(address.starts_with(&base), "{address} {base}");
                if address.ends_with("/cancel") {
                    continue;
                }
                // The load balancer leads to nginx.
                let address = address.replace("https://", "http://");
                let answer = proxied.client.get(&address).send().unwrap();
                assert_eq!(answer.status(), 200, "{address}");
                assert!(!answer.bytes().unwrap().is_empty(), "{address}");
            }
        }
        let docs = format!("http://{}{path}docs", proxied.nginx);
        let page = proxied.client.get(&docs).send().unwrap();
        assert_eq!(page.url().as_str(), format!("{docs}/"));
        assert_eq!(page.status(), 200);
    }
}
