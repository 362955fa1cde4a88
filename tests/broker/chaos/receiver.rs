//! A receiver of webhooks that now and then cannot take one.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The name of a message and the status in it.
pub(super) type Message = (String, String);

/// The receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    server: MockServer,
}

impl Receiver {
    pub(super) async fn start(seed: u64) -> Self {
        let random = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        let answer = move |_: &Request| {
            let is_busy = random.lock().random_bool(0.2);
            ResponseTemplate::new(if is_busy { 503 } else { 200 })
        };
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self { server }
    }

    pub(super) fn url(&self) -> String {
        self.server.uri()
    }

    /// The messages about each prediction, in the order of their arrival.
    pub(super) async fn messages(&self) -> BTreeMap<String, Vec<Message>> {
        let mut messages: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        for request in self.server.received_requests().await.unwrap() {
            let body: Value = request.body_json().unwrap();
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            let name = request.headers["webhook-id"].to_str().unwrap().to_owned();
            let of_prediction = messages.entry(text("id")).or_default();
            of_prediction.push((name, text("status")));
        }
        messages
    }
}

/// What is wrong with the messages about a prediction that has ended with `status`.
pub(super) fn problems(messages: &[Message], status: &str) -> Vec<String> {
    let is_end = |(name, _): &&Message| name.ends_with(".completed");
    let Some(first_end) = messages.iter().position(|message| is_end(&message)) else {
        return vec![format!("no webhook says that it has ended: {messages:?}")];
    };
    let mut problems = Vec::new();
    // The same message may come again, but no other one after it.
    if !messages[first_end..].iter().all(|message| is_end(&message)) {
        problems.push(format!("webhooks after the last one: {messages:?}"));
    }
    if messages[first_end..].iter().any(|(_, said)| said != status) {
        problems.push(format!(
            "webhooks with another status than {status}: {messages:?}"
        ));
    }
    problems
}
