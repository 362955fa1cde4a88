//! A server with a store, and a client that follows predictions across its restarts.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

use crate::serve::{Server, command};

/// The maximum time for anything that a test waits for.
const TIMEOUT: Duration = Duration::from_mins(1);

/// `clipdraw serve` with its predictions in a file.
pub(super) fn with_store(store: &Path, options: &[&str]) -> Command {
    let mut command = command(&["--queue", "1000"]);
    command.args(options).env("CLIPDRAW_STORE", store);
    quiet(&mut command);
    command
}

/// Lets a server log no requests and no frames: a server whose log is not read stops when the pipe is full.
pub(super) fn quiet(command: &mut Command) {
    let filter = "info,clipdraw::http::request_log=off,clipdraw::prediction=off";
    command.env("RUST_LOG", filter);
}

/// The body of a request for a drawing with a frame every second step.
pub(super) fn drawing(steps: u32) -> Value {
    json!({"input": {
        "prompt": "a house", "num_paths": 4, "num_iterations": steps, "seed": 7,
        "num_augmentations": 1, "display_frequency": 2
    }})
}

pub(super) fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

pub(super) fn put(server: &Server, id: &str, body: &Value) -> reqwest::Result<Response> {
    let request = server
        .client
        .put(url(server, &format!("/predictions/{id}")));
    request.header("prefer", "respond-async").json(body).send()
}

pub(super) fn get(server: &Server, path: &str) -> (StatusCode, Value) {
    let response = server.client.get(url(server, path)).send().unwrap();
    (response.status(), response.json().unwrap())
}

/// Waits until a condition holds.
pub(super) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < TIMEOUT, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end of a prediction and returns its state.
pub(super) fn finished(server: &Server, id: &str) -> Value {
    let mut state = Value::Null;
    wait_until("a prediction ends", || {
        state = get(server, &format!("/predictions/{id}")).1;
        state["completed_at"].is_string()
    });
    state
}

/// The events of one prediction that a client has received.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    /// Names and data by number.
    pub(super) received: BTreeMap<u64, (String, Value)>,
}

impl Events {
    pub(super) fn last(&self) -> u64 {
        self.received.keys().next_back().copied().unwrap_or(0)
    }

    /// Whether the last event was received.
    pub(super) fn are_complete(&self) -> bool {
        let last = self.received.values().next_back();
        last.is_some_and(|(name, _)| name == "completed")
    }

    /// The files, in order.
    pub(super) fn files(&self) -> Vec<String> {
        let outputs = self.received.values().filter(|(name, _)| name == "output");
        outputs
            .map(|(_, data)| data["chunk"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Receives what follows the last event, until the stream ends or breaks.
    pub(super) fn follow(&mut self, client: &Client, url: &str) {
        let request = client.get(url).header("accept", "text/event-stream");
        let request = if self.received.is_empty() {
            request
        } else {
            request.header("last-event-id", self.last())
        };
        let Ok(mut response) = request.send() else {
            return;
        };
        if response.status() != 200 {
            return;
        }
        let mut unread = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        while let Ok(length) = response.read(&mut chunk) {
            unread.extend_from_slice(&chunk[..length]);
            while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                self.receive(&String::from_utf8(event).unwrap());
            }
            if length == 0 {
                return;
            }
        }
    }

    fn receive(&mut self, event: &str) {
        let field = |name: &str| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let Some(name) = field("event") else {
            return;
        };
        assert_ne!(name, "error", "{event}");
        let number: u64 = field("id").unwrap().parse().unwrap();
        assert_eq!(number, self.last() + 1, "{event}");
        let data = serde_json::from_str(field("data").unwrap()).unwrap();
        self.received.insert(number, (name.to_owned(), data));
    }
}
