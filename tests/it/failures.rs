//! Clients, webhook receivers, upload targets and models that fail. After each failure nothing is left of it: no
//! slot, no place in the queue, no task, and no receiver without `completed`.

use std::net::TcpListener as SilentListener;
use std::time::Duration;

use clipdraw::cog::HealthStatus;
use clipdraw::delivery::webhook::WebhookConfig;
use clipdraw::delivery::{AddressPolicy, ClientTimeouts};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::timeout;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::server::{Choices, TestServer, pause, raw_post, small, with_id};

/// The maximum time for anything that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often each fault happens, so that what a fault leaves behind would add up.
const ROUNDS: usize = 10;

/// Retries without waiting, and gives up messages soon after the end of the prediction.
const AT_ONCE: WebhookConfig = WebhookConfig {
    grace: Duration::from_millis(10),
    ..crate::webhook::AT_ONCE
};

fn choices() -> Choices {
    Choices {
        queue: 1,
        webhooks: AT_ONCE,
        ..Choices::default()
    }
}

/// A server with the same fault again and again, and a receiver that gets every `completed`.
struct FaultTest {
    server: TestServer,
    receiver: MockServer,
    ids: Vec<String>,
}

impl FaultTest {
    async fn start(choices: Choices) -> Self {
        Self::start_with(choices, MockServer::start().await).await
    }

    async fn start_with(choices: Choices, receiver: MockServer) -> Self {
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200))
            .with_priority(9)
            .mount(&receiver)
            .await;
        Self {
            server: TestServer::start(choices).await,
            receiver,
            ids: Vec::new(),
        }
    }

    /// A request whose `completed` is sent to the receiver.
    fn request(&mut self, prompt: &str) -> Value {
        let id = format!("fault-{}", self.ids.len());
        let mut request = with_id(&id, prompt);
        request["webhook"] = self.receiver.uri().into();
        request["webhook_events_filter"] = json!(["completed"]);
        self.ids.push(id);
        request
    }

    /// Waits until the server is idle, draws once more, and checks the webhooks that the receiver got.
    async fn settle(&mut self, statuses: &[&str]) {
        let server = &self.server;
        eventually("the slots are free", async || {
            let health = server.service.health().await;
            health.status == HealthStatus::Ready && (health.running, health.waiting) == (0, 0)
        })
        .await;
        eventually("every webhook is delivered", async || {
            server.webhooks.pending() == 0
        })
        .await;
        assert_eq!(
            server.post(&small("a cat")).await.json()["status"],
            "succeeded"
        );
        assert_eq!(self.final_statuses().await, statuses);
        self.receiver.reset().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200))
            .with_priority(9)
            .mount(&self.receiver)
            .await;
        server.controls.hold_again();
    }

    /// The final statuses that the receiver got, each of them once, in the order of the ids.
    async fn final_statuses(&self) -> Vec<String> {
        let requests = self.receiver.received_requests().await.unwrap();
        let mut statuses: Vec<_> = requests
            .iter()
            .map(|request| request.body_json::<Value>().unwrap())
            .map(|body| {
                (
                    body["id"].to_string(),
                    body["status"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        statuses.sort();
        statuses.into_iter().map(|(_, status)| status).collect()
    }
}

/// Waits for something that must happen.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            pause().await;
        }
    };
    assert!(timeout(TIMEOUT, waiting).await.is_ok(), "never: {what}");
}

/// Repeats a fault. Connections that both sides keep open are tasks too, but only a few; a task that every
/// fault leaves behind would be more.
async fn survives(mut test: FaultTest, statuses: &[&str], fault: impl AsyncFn(&mut FaultTest)) {
    fault(&mut test).await;
    test.settle(statuses).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..ROUNDS {
        fault(&mut test).await;
        test.settle(statuses).await;
    }
    eventually("no task is left", async || tasks() < before + ROUNDS).await;
}

#[tokio::test]
async fn a_client_that_disconnects_within_its_body_starts_nothing() {
    survives(FaultTest::start(choices()).await, &[], async |test| {
        let whole = raw_post("", &test.request("a cat"));
        drop(test.server.connect(&whole[..whole.len() - 5]).await);
        let id = test.ids.last().unwrap();
        assert!(test.server.service.find(id).await.unwrap().is_none());
    })
    .await;
}

/// A client leaves at the moment when its prediction is in some state; `headers` say how it asked.
async fn leaves(headers: &str, queued: bool) {
    let statuses: &[&str] = if queued {
        &["succeeded", "canceled"]
    } else {
        &["canceled"]
    };
    survives(FaultTest::start(choices()).await, statuses, async |test| {
        if queued {
            let other = test.request("hold at 1");
            assert_eq!(test.server.post_async(&other).await.status, 202);
            test.server.hold().await;
        }
        let request = raw_post(headers, &test.request("hold at 1"));
        let stream = test.server.connect(&request).await;
        let id = test.ids.last().unwrap();
        let server = &test.server;
        while server.service.find(id).await.unwrap().is_none() {
            pause().await;
        }
        if !queued {
            server.hold().await;
        }
        drop(stream);
        let prediction = server.service.find(id).await.unwrap().unwrap();
        while !prediction.is_cancel_requested() {
            pause().await;
        }
        server.controls.release();
    })
    .await;
}

#[tokio::test]
async fn a_client_that_disconnects_while_queued_frees_its_place() {
    leaves("", true).await;
}

#[tokio::test]
async fn a_client_that_disconnects_during_the_drawing_frees_its_slot() {
    leaves("", false).await;
}

#[tokio::test]
async fn a_subscriber_that_disconnects_while_queued_frees_its_place() {
    leaves("Accept: text/event-stream\r\n", true).await;
}

#[tokio::test]
async fn a_subscriber_that_disconnects_during_the_drawing_frees_its_slot() {
    leaves("Accept: text/event-stream\r\n", false).await;
}

#[tokio::test]
async fn a_client_that_disconnects_during_the_response_has_its_drawing_made() {
    survives(
        FaultTest::start(choices()).await,
        &["succeeded"],
        async |test| {
            let mut request = test.request("a cat");
            request["input"]["num_paths"] = json!(1000);
            request["input"]["num_iterations"] = json!(30);
            let mut stream = test.server.connect(&raw_post("", &request)).await;
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            // What the client has not read by now makes this a reset.
            stream.set_zero_linger().unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up() {
    let impatient = Choices {
        timeouts: ClientTimeouts {
            webhook: Duration::from_millis(20),
            ..ClientTimeouts::default()
        },
        ..choices()
    };
    survives(FaultTest::start(impatient).await, &[], async |test| {
        let silent = SilentListener::bind("127.0.0.1:0").unwrap();
        let mut request = test.request("a cat");
        request["webhook"] = json!(format!("http://{}/", silent.local_addr().unwrap()));
        assert_eq!(
            test.server.post(&request).await.json()["status"],
            "succeeded"
        );
        while test.server.webhooks.pending() > 0 {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_given_up() {
    survives(FaultTest::start(choices()).await, &[], async |test| {
        let closed = SilentListener::bind("127.0.0.1:0").unwrap();
        let mut request = test.request("a cat");
        request["webhook"] = json!(format!("http://{}/", closed.local_addr().unwrap()));
        drop(closed);
        assert_eq!(
            test.server.post(&request).await.json()["status"],
            "succeeded"
        );
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_fails_nine_times_finally_gets_the_message() {
    survives(
        FaultTest::start(choices()).await,
        &["succeeded"; 10],
        async |test| {
            Mock::given(method("POST"))
                .respond_with(ResponseTemplate::new(500))
                .up_to_n_times(9)
                .mount(&test.receiver)
                .await;
            let request = test.request("a cat");
            assert_eq!(
                test.server.post(&request).await.json()["status"],
                "succeeded"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_receiver_that_sends_messages_elsewhere_is_not_followed() {
    let elsewhere = MockServer::start().await;
    let receiver = MockServer::start().await;
    let allowed = receiver.address().to_string().parse().unwrap();
    let only_the_receiver = Choices {
        policy: AddressPolicy {
            allowed_hosts: Some(vec![allowed]),
            ..AddressPolicy::default()
        },
        ..choices()
    };
    let test = FaultTest::start_with(only_the_receiver, receiver).await;
    survives(test, &["succeeded"], async |test| {
        let answer = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
        Mock::given(method("POST"))
            .respond_with(answer)
            .mount(&test.receiver)
            .await;
        let request = test.request("a cat");
        assert_eq!(
            test.server.post(&request).await.json()["status"],
            "succeeded"
        );
    })
    .await;
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_target_that_refuses_files_fails_the_prediction() {
    let target = MockServer::start().await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&target)
        .await;
    survives(
        FaultTest::start(choices()).await,
        &["failed"],
        async |test| {
            let mut request = test.request("a cat");
            request["output_file_prefix"] = target.uri().into();
            let body = test.server.post(&request).await.json();
            assert_eq!(
                body["error"],
                "Failed to upload output: upload returned status 403 Forbidden"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn an_upload_that_hangs_does_not_keep_a_prediction_from_being_cancelled() {
    survives(
        FaultTest::start(choices()).await,
        &["canceled"],
        async |test| {
            let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut request = test.request("a cat");
            request["output_file_prefix"] =
                json!(format!("http://{}/", silent.local_addr().unwrap()));
            assert_eq!(test.server.post_async(&request).await.status, 202);
            let _connection = silent.accept().await.unwrap();
            let id = test.ids.last().unwrap();
            assert_eq!(test.server.cancel(id).await.status, 200);
            assert_eq!(test.server.finished(id).await["status"], "canceled");
        },
    )
    .await;
}

#[tokio::test]
async fn an_upload_that_is_slower_than_the_drawing_delays_only_that_drawing() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut test = FaultTest::start(Choices {
        slots: 2,
        ..choices()
    })
    .await;
    let mut request = test.request("a cat");
    request["input"]["num_iterations"] = json!(10_000);
    request["output_file_prefix"] = json!(format!("http://{}/", slow.local_addr().unwrap()));
    assert_eq!(test.server.post_async(&request).await.status, 202);
    let _connection = slow.accept().await.unwrap();
    // Each of these takes four steps, so the first drawing could take as many beside them.
    for _ in 0..100 {
        let other = test.server.post(&small("a dog")).await.json();
        assert_eq!(other["status"], "succeeded");
    }
    let steps = test.server.controls.steps() - 4 * 100;
    assert!(steps < 50, "{steps} frames wait in memory");
    test.server.cancel(&test.ids[0]).await;
    test.settle(&["canceled"]).await;
}

/// The model fails in the second step; what the answer says begins so.
async fn fails(prompt: &str, error: &str) {
    survives(
        FaultTest::start(choices()).await,
        &["failed"],
        async |test| {
            let request = test.request(prompt);
            let loads = test.server.controls.loads();
            let body = test.server.post(&request).await.json();
            assert_eq!(body["status"], "failed");
            let found = body["error"].as_str().unwrap();
            assert!(found.starts_with(error), "{found}");
            assert_eq!(body["output"].as_array().unwrap().len(), 1);
            while test.server.controls.loads() == loads && prompt.contains("break") {
                pause().await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_panic_costs_one_prediction() {
    fails(
        "panic at 1",
        "Prediction failed: the worker panicked: told to panic",
    )
    .await;
}

#[tokio::test]
async fn a_model_that_breaks_costs_one_prediction() {
    fails(
        "break at 1",
        "Prediction failed: the worker panicked: told to break",
    )
    .await;
}

#[tokio::test]
async fn a_lack_of_memory_in_libtorch_costs_one_prediction() {
    fails("exhaust at 1", "Prediction failed: the worker panicked: ").await;
}
