//! SIGTERM in every state of a server with the embedded model: every waiting client gets its response, every
//! webhook receiver the `completed` message, and the exit status is 0.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::serve::{ENDLESS, Server, drawing};

/// How a client requests a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Wait,
    Background,
    Stream,
}

/// Receivers of webhooks, on a runtime of their own.
struct Receiver {
    runtime: Runtime,
    server: MockServer,
}

impl Receiver {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let taken = ResponseTemplate::new(200);
            Mock::given(any()).respond_with(taken).mount(&server).await;
            server
        });
        Self { runtime, server }
    }

    /// Identifiers and statuses, in the order of the identifiers.
    fn received(&self) -> Vec<(String, String)> {
        let requests = self.runtime.block_on(self.server.received_requests());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut received: Vec<_> = requests
            .unwrap()
            .iter()
            .map(|request| request.body_json::<Value>().unwrap())
            .map(|body| (text(&body["id"]), text(&body["status"])))
            .collect();
        received.sort();
        received
    }
}

fn request(server: &Server, number: usize, mode: Mode, body: &Value) -> RequestBuilder {
    let url = format!("http://{}/predictions/term-{number}", server.address);
    let request = server.client.put(url).json(body);
    match mode {
        Mode::Wait => request,
        Mode::Background => request.header("prefer", "respond-async"),
        Mode::Stream => request.header("accept", "text/event-stream"),
    }
}

/// Sends a request and reads the whole response, on a thread of its own.
fn respond(request: RequestBuilder) -> JoinHandle<String> {
    thread::spawn(move || request.send().unwrap().text().unwrap())
}

/// Waits until the server reports these numbers of running and waiting predictions.
fn wait_for_occupancy(server: &Server, running: usize, waiting: usize) {
    let occupancy = || {
        let request = server
            .client
            .get(format!("http://{}/ready", server.address));
        let ready: Value = request.send().unwrap().json().unwrap();
        json!([ready["running"], ready["waiting"]])
    };
    while occupancy() != json!([running, waiting]) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends SIGTERM while one prediction is drawn and the others wait, each requested in its mode. All of
/// them must end with `status`.
fn terminate(grace: &str, iterations: u32, modes: &[Mode], status: &str) {
    let receiver = Receiver::start();
    let queue = modes.len().to_string();
    let mut server = Server::start(&["--queue", &queue, "--shutdown-grace", grace]);
    server.wait_until_ready();
    let mut responses = Vec::new();
    for (number, mode) in modes.iter().enumerate() {
        // The first goes on until the others wait.
        let mut body = drawing(if number == 0 { iterations } else { 5 });
        body["webhook"] = receiver.server.uri().into();
        body["webhook_events_filter"] = json!(["completed"]);
        responses.push(respond(request(&server, number, *mode, &body)));
        wait_for_occupancy(&server, 1, number);
    }
    server.line("step 0/");
    server.signal(Signal::SIGTERM);
    server.line("shutting down");
    for (mode, response) in modes.iter().zip(responses) {
        let response = response.join().unwrap();
        let has_status = response.contains(&format!("\"status\":\"{status}\""));
        assert_eq!(
            has_status,
            *mode != Mode::Background,
            "{mode:?}: {response}"
        );
        let completed = response.contains("event: completed");
        assert_eq!(completed, *mode == Mode::Stream, "{response}");
    }
    assert_eq!(server.status(), 0);
    let expected: Vec<_> = (0..modes.len())
        .map(|number| (format!("term-{number}"), status.to_owned()))
        .collect();
    assert_eq!(receiver.received(), expected);
}

#[test]
fn a_server_without_work_ends() {
    let mut server = Server::start(&[]);
    server.wait_until_ready();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_waiting_client_gets_its_drawing() {
    terminate("60", 100, &[Mode::Wait], "succeeded");
}

#[test]
fn a_drawing_in_the_background_is_finished_and_its_webhook_is_sent() {
    terminate("60", 100, &[Mode::Background], "succeeded");
}

#[test]
fn an_event_stream_receives_the_completed_event() {
    terminate("60", 100, &[Mode::Stream], "succeeded");
}

#[test]
fn the_queue_is_drawn_before_the_server_ends() {
    let modes = [Mode::Background, Mode::Wait, Mode::Stream];
    terminate("60", 200, &modes, "succeeded");
}

#[test]
fn after_the_grace_every_client_learns_that_its_drawing_was_cancelled() {
    let modes = [Mode::Stream, Mode::Wait, Mode::Background];
    terminate("0.1", ENDLESS, &modes, "canceled");
}
