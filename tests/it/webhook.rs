//! Receivers of webhooks on real connections: what they get, and that a bad receiver does no harm.

use std::io;
use std::net::{SocketAddr, TcpListener as SilentListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use axum::serve::Listener;
use clipdraw::backoff::Backoff;
use clipdraw::cog::Status;
use clipdraw::delivery::webhook::{
    EventFilter, Webhook, WebhookConfig, WebhookEvent, WebhookOutput, WebhookSender,
};
use clipdraw::delivery::{AddressPolicy, Client, ClientConfig, ClientTimeouts, PrivateAddresses};
use clipdraw::inputs::Input;
use clipdraw::service::{
    CancelPolicy, Destination, Origin, Prediction, RestartPolicy, Service, Submission,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::fake_engine::{limits, ready_service};
use crate::support::server::{Choices, TestServer, pause, with_id};

/// Retries without waiting, and sends every change.
pub(crate) const AT_ONCE: WebhookConfig = WebhookConfig {
    throttle: Duration::ZERO,
    backoff: Backoff {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(1),
        repeats: 12,
    },
    grace: Duration::from_secs(30),
    backlog: 1 << 20,
    output: WebhookOutput::All,
};

fn sender(settings: ClientConfig) -> WebhookSender {
    WebhookSender::new(Arc::new(Client::new(settings).unwrap()), AT_ONCE)
}

/// Gives up a silent receiver soon.
fn with_short_timeout() -> ClientConfig {
    ClientConfig {
        timeouts: ClientTimeouts {
            webhook: Duration::from_millis(5),
            ..ClientTimeouts::default()
        },
        ..ClientConfig::default()
    }
}

async fn submit(service: &Arc<Service>, id: &str, prompt: &str) -> Arc<Prediction> {
    let values = json!({
        "prompt": prompt, "num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7,
    });
    service
        .submit(Submission {
            id: Some(id.to_owned()),
            input: Input::from_values(values.as_object().unwrap()).unwrap(),
            notes: Vec::new(),
            destination: Destination::Inline,
            cancel_policy: CancelPolicy::OnRequest,
            restart_policy: RestartPolicy::Cancel,
            receiver: None,
            origin: Origin::default(),
        })
        .await
        .unwrap()
}

fn webhook(address: &str, events: EventFilter) -> Webhook {
    Webhook::parse(
        &AddressPolicy::default(),
        address,
        events,
        &HeaderMap::new(),
    )
    .unwrap()
}

fn only_completed() -> EventFilter {
    EventFilter::only(&[WebhookEvent::Completed])
}

/// Draws once and sends webhooks to the receiver at `address`, until all are delivered or given up.
async fn draw(sender: &WebhookSender, address: &str, events: EventFilter) -> Arc<Prediction> {
    let (service, _) = ready_service(limits(1, 0)).await;
    let prediction = submit(&service, "id-1", "a cat").await;
    sender.spawn(Arc::clone(&prediction), webhook(address, events));
    prediction.finished().await;
    sender.wait_until_idle().await;
    assert_eq!(sender.pending(), 0);
    prediction
}

/// A receiver that answers with `status` to the first `times` messages and with 200 afterwards.
async fn responding(status: u16, times: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status))
        .up_to_n_times(times)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    let bodies = requests.iter().map(|one| one.body_json().unwrap());
    bodies.collect()
}

#[tokio::test]
async fn a_receiver_gets_the_whole_prediction_from_start_to_end() {
    let server = responding(200, 1).await;
    let sender = sender(ClientConfig::default());
    let prediction = draw(&sender, &server.uri(), EventFilter::default()).await;
    let messages = bodies(&server).await;
    let (last, others) = messages.split_last().unwrap();
    assert_eq!(others[0]["status"], "processing");
    assert!(others.iter().all(|body| body["status"] == "processing"));
    let files = |body: &Value| body["output"].as_array().map_or(0, Vec::len);
    assert!(messages.is_sorted_by_key(files));
    assert_eq!(last["output"].as_array().unwrap().len(), 4);
    let requests = server.received_requests().await.unwrap();
    let end = serde_json::to_vec(&prediction.snapshot()).unwrap();
    assert!(requests.last().unwrap().body == end);
}

#[tokio::test]
async fn a_message_carries_the_headers_that_cog_sends() {
    let server = responding(200, 1).await;
    let sender = sender(ClientConfig::default());
    let sender = sender.with_token(&"hush".into()).unwrap();
    let mut asked = HeaderMap::new();
    asked.insert("traceparent", "00-0af7-b7ad-01".parse().unwrap());
    asked.insert("tracestate", "a=b".parse().unwrap());
    asked.insert("cookie", "c=d".parse().unwrap());
    let address = format!("{}/hook?x=y", server.uri());
    let policy = AddressPolicy::default();
    let webhook = Webhook::parse(&policy, &address, only_completed(), &asked).unwrap();
    let (service, _) = ready_service(limits(1, 0)).await;
    let prediction = submit(&service, "id-1", "a cat").await;
    sender.spawn(prediction, webhook);
    sender.wait_until_idle().await;
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].url.path(), "/hook");
    assert_eq!(requests[0].url.query(), Some("x=y"));
    let headers = &requests[0].headers;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["accept"], "*/*");
    assert_eq!(headers["authorization"], "Bearer hush");
    assert_eq!(headers["traceparent"], "00-0af7-b7ad-01");
    assert_eq!(headers["tracestate"], "a=b");
    assert!(!headers.contains_key("cookie"));
}

#[tokio::test]
async fn a_receiver_that_failed_nine_times_gets_completed_once() {
    let server = responding(500, 9).await;
    let sender = sender(ClientConfig::default());
    let prediction = draw(&sender, &server.uri(), only_completed()).await;
    let end = serde_json::to_vec(&prediction.snapshot()).unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 10);
    // Bytes, since numbers that are read back may differ in their last digit.
    assert!(requests.iter().all(|request| request.body == end));
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_delay_the_drawing() {
    let silent = SilentListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    // Its patience of half a minute is longer than anything that this test waits for.
    let sender = sender(ClientConfig::default());
    let (service, _) = ready_service(limits(1, 0)).await;
    for id in ["one", "two", "three"] {
        let prediction = submit(&service, id, "a cat").await;
        let everything = webhook(&address, EventFilter::default());
        sender.spawn(Arc::clone(&prediction), everything);
        assert_eq!(prediction.finished().await.status, Status::Succeeded);
    }
    assert_eq!(sender.pending(), 3);
}

#[tokio::test]
async fn a_receiver_that_always_hangs_is_given_up() {
    let silent = SilentListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    draw(
        &sender(with_short_timeout()),
        &address,
        EventFilter::default(),
    )
    .await;
}

/// Resets the first connections, and accepts those after.
struct Resetting {
    listener: TcpListener,
    resets: usize,
}

impl Listener for Resetting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                continue;
            };
            if self.resets == 0 {
                return (stream, address);
            }
            self.resets -= 1;
            stream.set_zero_linger().unwrap();
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn a_receiver_that_reset_five_connections_gets_completed_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (sender_of_bodies, mut bodies) = mpsc::unbounded_channel();
    let receive = post(move |body: String| async move { sender_of_bodies.send(body).unwrap() });
    let listener = Resetting {
        listener,
        resets: 5,
    };
    let router = Router::new().route("/", receive);
    let server = tokio::spawn(axum::serve(listener, router).into_future());
    draw(&sender(ClientConfig::default()), &address, only_completed()).await;
    let body: Value = serde_json::from_str(&bodies.recv().await.unwrap()).unwrap();
    assert_eq!(body["status"], "succeeded");
    assert!(bodies.try_recv().is_err());
    server.abort();
}

/// A receiver with a limit on bodies, as many frameworks have: it answers 413 before it has read the
/// whole body, and closes the connection.
async fn limited(max_bytes: usize) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::unbounded_channel();
    let receive = post(move |body: String| async move { sender.send(body).unwrap() });
    let router = Router::new()
        .route("/", receive)
        .layer(DefaultBodyLimit::max(max_bytes));
    tokio::spawn(axum::serve(listener, router).into_future());
    (address, bodies)
}

/// A receiver that closes the connection without reading a message larger than `max_bytes`, and without a
/// response.
async fn closing(max_bytes: usize) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            let (head, length) = loop {
                stream.read_buf(&mut received).await.unwrap();
                let text = String::from_utf8_lossy(&received).to_lowercase();
                if let Some((head, _)) = text.split_once("\r\n\r\n") {
                    let (_, length) = head.split_once("content-length: ").unwrap();
                    let length = length.lines().next().unwrap();
                    break (head.len() + 4, length.parse::<usize>().unwrap());
                }
            };
            if length > max_bytes {
                stream.set_zero_linger().unwrap();
                continue;
            }
            while received.len() < head + length {
                stream.read_buf(&mut received).await.unwrap();
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let body = String::from_utf8(received.split_off(head)).unwrap();
            sender.send(body).unwrap();
        }
    });
    (address, bodies)
}

/// Draws eleven files of several hundred kilobytes each.
async fn draw_much(address: &str) -> Arc<Prediction> {
    let (service, _) = ready_service(limits(1, 0)).await;
    let values = json!({
        "prompt": "a cat", "num_paths": 2048, "num_iterations": 10, "display_frequency": 1,
    });
    let submission = Submission {
        id: Some("id-1".to_owned()),
        input: Input::from_values(values.as_object().unwrap()).unwrap(),
        notes: Vec::new(),
        destination: Destination::Inline,
        cancel_policy: CancelPolicy::OnRequest,
        restart_policy: RestartPolicy::Cancel,
        receiver: None,
        origin: Origin::default(),
    };
    let prediction = service.submit(submission).await.unwrap();
    let sender = WebhookSender::new(
        Arc::new(Client::new(ClientConfig::default()).unwrap()),
        WebhookConfig {
            backlog: 1 << 28,
            ..AT_ONCE
        },
    );
    sender.spawn(Arc::clone(&prediction), webhook(address, only_completed()));
    sender.wait_until_idle().await;
    prediction
}

#[tokio::test]
async fn a_receiver_with_a_limit_on_bodies_gets_the_end_and_the_reason_for_missing_files() {
    for (max_bytes, files) in [(100 << 20, 11), (1 << 20, 1), (100 << 10, 0)] {
        for receiver in [limited(max_bytes).await, closing(max_bytes).await] {
            let (address, mut bodies) = receiver;
            let prediction = draw_much(&address).await;
            let body: Value = serde_json::from_str(&bodies.recv().await.unwrap()).unwrap();
            assert_eq!(body["status"], "succeeded");
            let snapshot = prediction.snapshot();
            let output = body["output"].as_array().map_or(0, Vec::len);
            assert_eq!(output, files, "{max_bytes}");
            if files == 1 {
                assert_eq!(body["output"][0], **snapshot.output.last().unwrap());
            }
            for logs in [body["logs"].as_str().unwrap(), &snapshot.logs] {
                let is_explained = logs.contains("is too large for the receiver (");
                assert_eq!(is_explained, files < 11, "{logs}");
            }
            assert_eq!(snapshot.output.len(), 11, "the prediction keeps them");
        }
    }
}

#[tokio::test]
async fn a_request_can_choose_how_much_output_its_webhook_gets() {
    let receiver = responding(200, 1).await;
    let server = TestServer::start(Choices::default()).await;
    for (id, output, files) in [("a", "all", 4), ("b", "last", 1), ("c", "none", 0)] {
        let mut body = with_id(id, "a cat");
        body["webhook"] = receiver.uri().into();
        body["webhook_events_filter"] = json!(["completed"]);
        body["webhook_output"] = output.into();
        assert_eq!(server.post(&body).await.status, 200);
        while server.webhooks.pending() > 0 {
            pause().await;
        }
        let sent = bodies(&receiver).await.pop().unwrap();
        assert_eq!(sent["id"], id);
        assert_eq!(
            sent["output"].as_array().map_or(0, Vec::len),
            files,
            "{output}"
        );
    }
    let mut wrong = with_id("d", "a cat");
    wrong["webhook_output"] = "some".into();
    assert_eq!(server.post(&wrong).await.status, 422);
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_not_allowed_is_not_followed() {
    let forbidden = responding(200, 1).await;
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("location", forbidden.uri());
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let sender = sender(ClientConfig {
        policy: AddressPolicy {
            allowed_hosts: Some(vec![server.address().to_string().parse().unwrap()]),
            ..AddressPolicy::default()
        },
        ..ClientConfig::default()
    });
    draw(&sender, &server.uri(), only_completed()).await;
    assert_eq!(bodies(&server).await.len(), 1);
    assert_eq!(bodies(&forbidden).await.len(), 0);
}

#[tokio::test]
async fn a_host_name_of_this_machine_gets_nothing_if_private_addresses_are_refused() {
    let server = responding(200, 1).await;
    let sender = sender(ClientConfig {
        policy: AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        },
        ..ClientConfig::default()
    });
    let address = format!("http://localhost:{}/", server.address().port());
    draw(&sender, &address, EventFilter::default()).await;
    assert_eq!(bodies(&server).await.len(), 0);
}

#[tokio::test]
async fn a_prediction_cancelled_in_the_queue_sends_only_completed() {
    let server = responding(200, 1).await;
    let sender = sender(ClientConfig::default());
    let (service, controls) = ready_service(limits(1, 1)).await;
    let running = submit(&service, "running", "hold at 1").await;
    let waiting = submit(&service, "waiting", "a cat").await;
    let everything = webhook(&server.uri(), EventFilter::default());
    sender.spawn(Arc::clone(&waiting), everything);
    waiting.cancel();
    sender.wait_until_idle().await;
    let messages = bodies(&server).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["status"], "canceled");
    assert_eq!(messages[0].get("output"), None);
    controls.release();
    assert_eq!(running.finished().await.status, Status::Succeeded);
}

#[tokio::test]
async fn the_outcome_of_each_message_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let completed = only_completed;
    let sender = sender(ClientConfig::default());
    draw(&sender, &responding(200, 1).await.uri(), completed()).await;
    draw(&sender, &responding(404, 1).await.uri(), completed()).await;
    draw(&sender, &responding(503, 13).await.uri(), completed()).await;
    let counted = recorder.handle().render();
    for outcome in ["delivered", "refused", "failed"] {
        let line =
            format!("clipdraw_webhooks_total{{event=\"completed\",outcome=\"{outcome}\"}} 1\n");
        assert!(counted.contains(&line), "{outcome} in {counted}");
    }
    assert!(counted.contains("clipdraw_webhook_duration_seconds_count{event=\"completed\"} 3"));
}
