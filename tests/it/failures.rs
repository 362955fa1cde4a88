//! Clients, receivers, targets and models that fail, each followed by proof that nothing is left of
//! it: no slot, no place in the queue, no task, no receiver without the final word.

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

use crate::support::server::{Choices, Site, named, pause, raw_post, small};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often each fault happens; what one of them leaves behind would add up.
const ROUNDS: usize = 10;

/// Repeats without waiting, and soon gives up what is told no more.
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

/// A server to which something happens again and again, and who is told of each end.
struct Stage {
    site: Site,
    receiver: MockServer,
    ids: Vec<String>,
}

impl Stage {
    async fn set(choices: Choices) -> Self {
        Self::before(choices, MockServer::start().await).await
    }

    async fn before(choices: Choices, receiver: MockServer) -> Self {
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200))
            .with_priority(9)
            .mount(&receiver)
            .await;
        Self {
            site: Site::start(choices).await,
            receiver,
            ids: Vec::new(),
        }
    }

    /// A request whose end is told to the receiver.
    fn request(&mut self, prompt: &str) -> Value {
        let id = format!("fault-{}", self.ids.len());
        let mut request = named(&id, prompt);
        request["webhook"] = self.receiver.uri().into();
        request["webhook_events_filter"] = json!(["completed"]);
        self.ids.push(id);
        request
    }

    /// Waits until nothing is under way, draws once more, and checks the webhooks that the receiver got.
    async fn settle(&mut self, told: &[&str]) {
        let site = &self.site;
        eventually("the slots are free", async || {
            let health = site.service.health().await;
            health.status == HealthStatus::Ready && (health.running, health.waiting) == (0, 0)
        })
        .await;
        eventually("every webhook is delivered", async || {
            site.webhooks.pending() == 0
        })
        .await;
        assert_eq!(
            site.post(&small("a cat")).await.json()["status"],
            "succeeded"
        );
        assert_eq!(self.last_words().await, told);
        self.receiver.reset().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200))
            .with_priority(9)
            .mount(&self.receiver)
            .await;
        site.controls.hold_again();
    }

    /// The final words that the receiver took, each of them once, in the order of the ids.
    async fn last_words(&self) -> Vec<String> {
        let requests = self.receiver.received_requests().await.unwrap();
        let mut told: Vec<_> = requests
            .iter()
            .map(|request| request.body_json::<Value>().unwrap())
            .map(|body| {
                (
                    body["id"].to_string(),
                    body["status"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        told.sort();
        told.into_iter().map(|(_, status)| status).collect()
    }
}

/// Waits for something that must happen.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            pause().await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

/// Lets a fault happen again and again. Connections that both sides keep are tasks too, a handful
/// at most; a task that every fault leaves behind would be more.
async fn survives(mut stage: Stage, told: &[&str], fault: impl AsyncFn(&mut Stage)) {
    fault(&mut stage).await;
    stage.settle(told).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..ROUNDS {
        fault(&mut stage).await;
        stage.settle(told).await;
    }
    eventually("no task is left", async || tasks() < before + ROUNDS).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_has_asked_for_nothing() {
    survives(Stage::set(choices()).await, &[], async |stage| {
        let whole = raw_post("", &stage.request("a cat"));
        drop(stage.site.connect(&whole[..whole.len() - 5]).await);
        let id = stage.ids.last().unwrap();
        assert!(stage.site.service.find(id).await.is_none());
    })
    .await;
}

/// A client leaves at the moment when its prediction is in some state; `headers` say how it asked.
async fn leaves(headers: &str, queued: bool) {
    let told: &[&str] = if queued {
        &["succeeded", "canceled"]
    } else {
        &["canceled"]
    };
    survives(Stage::set(choices()).await, told, async |stage| {
        if queued {
            let other = stage.request("hold at 1");
            assert_eq!(stage.site.post_async(&other).await.status, 202);
            stage.site.hold().await;
        }
        let request = raw_post(headers, &stage.request("hold at 1"));
        let stream = stage.site.connect(&request).await;
        let id = stage.ids.last().unwrap();
        let site = &stage.site;
        while site.service.find(id).await.is_none() {
            pause().await;
        }
        if !queued {
            site.hold().await;
        }
        drop(stream);
        let prediction = site.service.find(id).await.unwrap();
        while !prediction.is_cancel_requested() {
            pause().await;
        }
        site.controls.release();
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_its_place_back() {
    leaves("", true).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_drawing_gives_its_slot_back() {
    leaves("", false).await;
}

#[tokio::test]
async fn a_listener_that_leaves_the_queue_gives_its_place_back() {
    leaves("Accept: text/event-stream\r\n", true).await;
}

#[tokio::test]
async fn a_listener_that_leaves_during_the_drawing_gives_its_slot_back() {
    leaves("Accept: text/event-stream\r\n", false).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_answer_has_its_drawing_made() {
    survives(Stage::set(choices()).await, &["succeeded"], async |stage| {
        let mut request = stage.request("a cat");
        request["input"]["num_paths"] = json!(1000);
        request["input"]["num_iterations"] = json!(30);
        let mut stream = stage.site.connect(&raw_post("", &request)).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        // What the client has not read by now makes this a reset.
        stream.set_zero_linger().unwrap();
    })
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
    survives(Stage::set(impatient).await, &[], async |stage| {
        let silent = SilentListener::bind("127.0.0.1:0").unwrap();
        let mut request = stage.request("a cat");
        request["webhook"] = json!(format!("http://{}/", silent.local_addr().unwrap()));
        assert_eq!(
            stage.site.post(&request).await.json()["status"],
            "succeeded"
        );
        while stage.site.webhooks.pending() > 0 {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_given_up() {
    survives(Stage::set(choices()).await, &[], async |stage| {
        let closed = SilentListener::bind("127.0.0.1:0").unwrap();
        let mut request = stage.request("a cat");
        request["webhook"] = json!(format!("http://{}/", closed.local_addr().unwrap()));
        drop(closed);
        assert_eq!(
            stage.site.post(&request).await.json()["status"],
            "succeeded"
        );
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_fails_nine_times_is_told_at_last() {
    survives(
        Stage::set(choices()).await,
        &["succeeded"; 10],
        async |stage| {
            Mock::given(method("POST"))
                .respond_with(ResponseTemplate::new(500))
                .up_to_n_times(9)
                .mount(&stage.receiver)
                .await;
            let request = stage.request("a cat");
            assert_eq!(
                stage.site.post(&request).await.json()["status"],
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
    let stage = Stage::before(only_the_receiver, receiver).await;
    survives(stage, &["succeeded"], async |stage| {
        let answer = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
        Mock::given(method("POST"))
            .respond_with(answer)
            .mount(&stage.receiver)
            .await;
        let request = stage.request("a cat");
        assert_eq!(
            stage.site.post(&request).await.json()["status"],
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
    survives(Stage::set(choices()).await, &["failed"], async |stage| {
        let mut request = stage.request("a cat");
        request["output_file_prefix"] = target.uri().into();
        let body = stage.site.post(&request).await.json();
        assert_eq!(
            body["error"],
            "Failed to upload output: upload returned status 403 Forbidden"
        );
    })
    .await;
}

#[tokio::test]
async fn a_target_that_hangs_does_not_keep_a_prediction_from_being_cancelled() {
    survives(Stage::set(choices()).await, &["canceled"], async |stage| {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut request = stage.request("a cat");
        request["output_file_prefix"] = json!(format!("http://{}/", silent.local_addr().unwrap()));
        assert_eq!(stage.site.post_async(&request).await.status, 202);
        let _connection = silent.accept().await.unwrap();
        let id = stage.ids.last().unwrap();
        assert_eq!(stage.site.cancel(id).await.status, 200);
        assert_eq!(stage.site.finished(id).await["status"], "canceled");
    })
    .await;
}

#[tokio::test]
async fn a_target_that_is_slower_than_the_drawing_holds_it_up_and_no_other() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stage = Stage::set(Choices {
        slots: 2,
        ..choices()
    })
    .await;
    let mut request = stage.request("a cat");
    request["input"]["num_iterations"] = json!(10_000);
    request["output_file_prefix"] = json!(format!("http://{}/", slow.local_addr().unwrap()));
    assert_eq!(stage.site.post_async(&request).await.status, 202);
    let _connection = slow.accept().await.unwrap();
    // Each of these takes four steps, so the first drawing could take as many beside them.
    for _ in 0..100 {
        let other = stage.site.post(&small("a dog")).await.json();
        assert_eq!(other["status"], "succeeded");
    }
    let steps = stage.site.controls.steps() - 4 * 100;
    assert!(steps < 50, "{steps} frames wait in memory");
    stage.site.cancel(&stage.ids[0]).await;
    stage.settle(&["canceled"]).await;
}

/// The model fails in the second step; what the answer says begins so.
async fn fails(prompt: &str, error: &str) {
    survives(Stage::set(choices()).await, &["failed"], async |stage| {
        let request = stage.request(prompt);
        let loads = stage.site.controls.loads();
        let body = stage.site.post(&request).await.json();
        assert_eq!(body["status"], "failed");
        let found = body["error"].as_str().unwrap();
        assert!(found.starts_with(error), "{found}");
        assert_eq!(body["output"].as_array().unwrap().len(), 1);
        while stage.site.controls.loads() == loads && prompt.contains("break") {
            pause().await;
        }
    })
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
