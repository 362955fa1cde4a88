//! SIGTERM in every state of a server with the embedded model: waiting clients get a response, webhooks get
//! `completed`, and the exit status is 0.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::serve::{ENDLESS, Server, drawing};

/// How a client starts a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
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
    fn messages(&self) -> Vec<(String, String)> {
        let requests = self.runtime.block_on(self.server.received_requests());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut messages: Vec<_> = requests
            .unwrap()
            .iter()
            .map(|request| request.body_json::<Value>().unwrap())
            .map(|body| (text(&body["id"]), text(&body["status"])))
            .collect();
        messages.sort();
        messages
    }
}

fn request(server: &Server, number: usize, asking: Asking, body: &Value) -> RequestBuilder {
    let place = format!("http://{}/predictions/term-{number}", server.address);
    let request = server.client.put(place).json(body);
    match asking {
        Asking::Wait => request,
        Asking::Background => request.header("prefer", "respond-async"),
        Asking::Stream => request.header("accept", "text/event-stream"),
    }
}

/// What the server says to a client, read to the end.
fn answer(request: RequestBuilder) -> JoinHandle<String> {
    thread::spawn(move || request.send().unwrap().text().unwrap())
}

/// Waits until so many predictions run and wait.
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

/// Sends SIGTERM while one prediction is drawn and the others wait, each asked for in its way; all
/// of them are to end with `status`.
fn terminate(grace: &str, iterations: u32, askings: &[Asking], status: &str) {
    let receiver = Receiver::start();
    let queue = askings.len().to_string();
    let mut server = Server::start(&["--queue", &queue, "--shutdown-grace", grace]);
    server.wait_until_ready();
    let mut answers = Vec::new();
    for (number, asking) in askings.iter().enumerate() {
        // The first goes on until the others wait.
        let mut body = drawing(if number == 0 { iterations } else { 5 });
        body["webhook"] = receiver.server.uri().into();
        body["webhook_events_filter"] = json!(["completed"]);
        answers.push(answer(request(&server, number, *asking, &body)));
        wait_for_occupancy(&server, 1, number);
    }
    server.line("step 0/");
    server.signal(Signal::SIGTERM);
    server.line("shutting down");
    for (asking, answer) in askings.iter().zip(answers) {
        let answer = answer.join().unwrap();
        let said = answer.contains(&format!("\"status\":\"{status}\""));
        assert_eq!(said, *asking != Asking::Background, "{asking:?}: {answer}");
        let completed = answer.contains("event: completed");
        assert_eq!(completed, *asking == Asking::Stream, "{answer}");
    }
    assert_eq!(server.status(), 0);
    let expected: Vec<_> = (0..askings.len())
        .map(|number| (format!("term-{number}"), status.to_owned()))
        .collect();
    assert_eq!(receiver.messages(), expected);
}

#[test]
fn a_server_without_work_ends() {
    let mut server = Server::start(&[]);
    server.wait_until_ready();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_client_that_waits_gets_its_drawing() {
    terminate("60", 100, &[Asking::Wait], "succeeded");
}

#[test]
fn a_drawing_in_the_background_is_finished_and_its_webhook_sent() {
    terminate("60", 100, &[Asking::Background], "succeeded");
}

#[test]
fn a_subscriber_gets_the_end() {
    terminate("60", 100, &[Asking::Stream], "succeeded");
}

#[test]
fn the_queue_is_drawn() {
    let askings = [Asking::Background, Asking::Wait, Asking::Stream];
    terminate("60", 200, &askings, "succeeded");
}

#[test]
fn after_the_grace_period_every_client_and_webhook_gets_the_cancellation() {
    let askings = [Asking::Stream, Asking::Wait, Asking::Background];
    terminate("0.1", ENDLESS, &askings, "canceled");
}
