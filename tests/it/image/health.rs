//! The HEALTHCHECK of the image, against servers in every state.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use super::root;

/// Whether the check passes while a server answers with that body.
fn passes(body: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 512];
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the request broke off");
            request.extend_from_slice(&piece[..count]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    let passed = check(port);
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /health-check HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert!(request.contains("\r\nConnection: close\r\n"));
    passed
}

fn check(port: u16) -> bool {
    let output = Command::new(root().join("docker/health"))
        .env("PORT", port.to_string())
        .output()
        .unwrap();
    output.status.success()
}

fn body(state: &str, setup: &str) -> String {
    format!(
        r#"{{"setup":{{"logs":"a \"status\":\"READY\" b","started_at":"2026-01-01T00:00:00Z","status":"{setup}"}},"status":"{state}","version":{{}}}}"#
    )
}

#[test]
fn a_server_that_can_draw_or_is_drawing_is_healthy() {
    for state in ["READY", "BUSY"] {
        assert!(passes(&body(state, "succeeded")), "{state}");
    }
    assert!(passes("{\"status\": \"READY\"}"), "with a space");
}

#[test]
fn any_other_state_is_unhealthy_whatever_the_log_says() {
    for state in [
        "STARTING",
        "SETUP_FAILED",
        "UNHEALTHY",
        "DEFUNCT",
        "UNKNOWN",
        "NOT_READY",
    ] {
        assert!(!passes(&body(state, "succeeded")), "{state}");
    }
    assert!(!passes("{}"));
    assert!(!passes("READY"));
}

#[test]
fn a_closed_port_is_unhealthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(!check(port));
}
