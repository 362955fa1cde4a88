//! Any bytes as the body of a request for a prediction, through the whole router: the server never fails, it
//! refuses a body with a reason, and a prediction that it accepts has the inputs and the ID of the body.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use clipdraw::delivery::webhook::{WebhookConfig, WebhookSender};
use clipdraw::delivery::{AddressPolicy, Client, ClientConfig, UploadingFileSink};
use clipdraw::draw::{Advance, DrawError, Spec};
use clipdraw::http::{
    self, CompletedOutput, Dependencies, FullStatus, RequestLimits, ServerConfig, WaitLimits,
};
use clipdraw::inputs::Input;
use clipdraw::output::Provenance;
use clipdraw::replicate::Api;
use clipdraw::secret::Secret;
use clipdraw::service::{
    Backends, Depth, Destination, Engine, EngineError, InMemoryQueue, InputFileLimits, Job, Lease,
    Limits, LocalInputFiles, PushError, Queue, Service, worker,
};
use clipdraw::telemetry::metric;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The ID in the path of a PUT.
const ID: &str = "fuzzed";

/// The only receiver of webhooks that is allowed: this machine's discard port, where nothing listens.
const RECEIVER: &str = "127.0.0.1:9";

/// The maximum size of a body in bytes.
const BODY: usize = 1 << 20;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    static SERVER: LazyLock<Server> = LazyLock::new(Server::start);
    let server = &*SERVER;
    server.runtime.block_on(async {
        let created = server.send("POST", "/predictions", bytes).await;
        check_answer(&created, bytes, None);
        server.cancel(&created).await;
        let path = format!("/predictions/{ID}");
        let first = server.send("PUT", &path, bytes).await;
        check_answer(&first, bytes, Some(ID));
        let second = server.send("PUT", &path, bytes).await;
        assert_eq!(first.status, second.status, "PUT is idempotent");
        if first.status == StatusCode::ACCEPTED {
            let [first, second] = [&first, &second].map(Answer::json);
            for key in ["id", "input", "created_at"] {
                assert_eq!(first[key], second[key], "PUT is idempotent");
            }
            // The ID is taken, so a POST with it does not start another prediction.
            if AcceptedBody::parse(bytes).id.is_some() {
                let posted = server.send("POST", "/predictions", bytes).await;
                assert_eq!(posted.status, StatusCode::CONFLICT, "{}", posted.text);
            }
        }
        server.cancel(&first).await;
    });
}

/// A response.
struct Answer {
    status: StatusCode,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("the response is JSON")
    }
}

/// Checks a response: `id` is the one in the path, if there is one.
fn check_answer(answer: &Answer, bytes: &[u8], id: Option<&str>) {
    let parsed = serde_json::from_slice::<Value>(bytes);
    match answer.status {
        StatusCode::ACCEPTED => {
            let body = AcceptedBody::parse(bytes);
            let prediction = answer.json();
            let id = id.or(body.id.as_deref());
            assert!(
                id.is_none_or(|id| prediction["id"] == id),
                "{}",
                answer.text
            );
            check_inputs(&body.input.unwrap_or_default(), &prediction["input"]);
        }
        StatusCode::BAD_REQUEST => {
            let start = "Failed to parse the request body as JSON: ";
            assert!(answer.text.starts_with(start), "{}", answer.text);
            assert!(parsed.is_err(), "valid JSON is refused: {}", answer.text);
        }
        StatusCode::UNPROCESSABLE_ENTITY if answer.text.starts_with('{') => {
            let answer = answer.json();
            let details = answer["detail"].as_array().expect("a list of details");
            assert!(!details.is_empty());
            for detail in details {
                assert_eq!(detail["loc"][0], "body", "{answer}");
                assert!(detail["msg"].as_str().is_some_and(|text| !text.is_empty()));
            }
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let start = "Failed to deserialize the JSON body into the target type: ";
            assert!(answer.text.starts_with(start), "{}", answer.text);
        }
        StatusCode::PAYLOAD_TOO_LARGE => assert!(bytes.len() > BODY),
        other => panic!("the server answers {other}: {}", answer.text),
    }
}

/// The body of a request that was accepted: an object, or an array of its values in this order. As in Cog,
/// nothing is known about the contents of other fields, which may not even be Unicode.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AcceptedBody {
    id: Option<String>,
    input: Option<Map<String, Value>>,
    #[serde(rename = "context")]
    _context: IgnoredAny,
    #[serde(rename = "webhook")]
    _webhook: IgnoredAny,
    #[serde(rename = "webhook_events_filter")]
    _events: IgnoredAny,
    #[serde(rename = "output_file_prefix")]
    _prefix: IgnoredAny,
    #[serde(rename = "webhook_output")]
    _output: IgnoredAny,
}

impl AcceptedBody {
    fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).expect("a body that was accepted is a request")
    }
}

/// The inputs of a prediction are those of the body, with the defaults.
fn check_inputs(raw: &Map<String, Value>, found: &Value) {
    let (expected, _notes) = Input::from_request(raw).expect("the inputs were accepted");
    let mut expected = expected.values().clone();
    if raw.get("seed").is_none_or(Value::is_null) {
        expected["seed"] = found["seed"].clone();
    }
    assert_eq!(*found, Value::Object(expected));
}

/// The router with everything behind it, but a queue whose jobs are never drawn.
struct Server {
    runtime: Runtime,
    router: Router,
    service: Arc<Service>,
}

impl Server {
    fn start() -> Self {
        // On one thread the same input takes the same way each time.
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has timers and sockets");
        let (router, service) = runtime.block_on(async {
            let (dependencies, service) = dependencies();
            let load = Box::new(|| Ok(IdleEngine(provenance())));
            worker::start(Arc::clone(&service), load).expect("there are threads");
            while service.health().await.setup.completed_at.is_none() {
                tokio::task::yield_now().await;
            }
            (http::router(dependencies, config()), service)
        });
        Self {
            runtime,
            router,
            service,
        }
    }

    async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("prefer", "respond-async")
            .body(Body::from(body.to_vec()))
            .expect("the request is valid");
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await;
        let bytes = bytes.expect("the response is in memory");
        Answer {
            status,
            text: String::from_utf8(bytes.to_vec()).expect("a response is UTF-8"),
        }
    }

    /// Cancels the prediction that was accepted and waits for its end, so that the queue is empty.
    async fn cancel(&self, answer: &Answer) {
        if answer.status == StatusCode::ACCEPTED {
            let prediction = answer.json();
            let id = prediction["id"].as_str().expect("a prediction has an ID");
            let path = format!("/predictions/{id}/cancel");
            let canceled = self.send("POST", &path, b"").await;
            assert_eq!(canceled.status, StatusCode::OK);
            if let Some(prediction) = self.service.find(id).await.ok().flatten() {
                prediction.finished().await;
            }
        }
    }
}

fn dependencies() -> (Dependencies, Arc<Service>) {
    let limits = Limits {
        slots: 2,
        queue: 0,
        long_queue: 0,
        replay: 4,
        remember: 2,
        remember_for: Duration::from_mins(1),
        remember_bytes: BODY,
    };
    let policy = AddressPolicy {
        allowed_hosts: Some(vec![RECEIVER.parse().expect("a pattern")]),
        ..AddressPolicy::default()
    };
    let client = Client::new(ClientConfig {
        policy,
        ..ClientConfig::default()
    });
    let client = Arc::new(client.expect("the user agent is valid"));
    let files = Arc::new(UploadingFileSink::new(Arc::clone(&client)));
    let backends = Backends {
        queue: Arc::new(NeverLeased(InMemoryQueue::new(limits.capacity()))),
        ..Backends::in_memory(limits, files)
    };
    let service = Service::new(limits, backends);
    let mut webhooks = WebhookConfig::default();
    webhooks.backoff.repeats = 0;
    let dependencies = Dependencies {
        service: Arc::clone(&service),
        webhooks: Arc::new(WebhookSender::new(Arc::clone(&client), webhooks)),
        client,
        destination: Destination::Inline,
        input_files: Arc::new(LocalInputFiles::in_memory(InputFileLimits::default())),
        stop: CancellationToken::new(),
        metrics: metric::collect(),
        api: Arc::new(Api::new(
            "clipdraw/clipdraw".parse().expect("it is a name"),
            &Secret::generate(),
            None,
        )),
    };
    (dependencies, service)
}

fn config() -> ServerConfig {
    ServerConfig {
        access_token: None,
        host_names: None,
        cors_origins: Vec::new(),
        limits: RequestLimits {
            body_bytes: BODY,
            body_timeout: Duration::from_mins(1),
            output_bytes: u64::MAX,
            subscribers: 1,
        },
        completed_output: CompletedOutput::Unsent,
        full_status: FullStatus::Conflict,
        waits: WaitLimits::default(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        model: "none".to_owned(),
        weights_sha256: String::new(),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    }
}

/// A queue whose jobs no worker gets, so that a prediction waits until it is cancelled.
#[derive(Debug)]
struct NeverLeased(InMemoryQueue);

#[async_trait]
impl Queue for NeverLeased {
    async fn push(&self, job: Job) -> Result<(), PushError> {
        self.0.push(job).await
    }

    async fn lease(&self) -> Option<Lease> {
        std::future::pending().await
    }

    async fn try_lease(&self) -> Option<Lease> {
        None
    }

    async fn remove(&self, id: &str, created_at: Timestamp) -> bool {
        self.0.remove(id, created_at).await
    }

    async fn complete(&self, lease: Lease) {
        self.0.complete(lease).await;
    }

    async fn restore(&self, job: Job, attempts: u32) {
        self.0.restore(job, attempts).await;
    }

    async fn release(&self, lease: Lease) {
        self.0.release(lease).await;
    }

    async fn depth(&self) -> Depth {
        self.0.depth().await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// An engine that gets nothing to draw.
struct IdleEngine(Provenance);

impl Engine for IdleEngine {
    type Drawing = ();

    fn provenance(&self) -> &Provenance {
        &self.0
    }

    fn start(&self, _: &Spec) -> Result<(), DrawError> {
        Ok(())
    }

    fn advance(&self, drawings: &mut [&mut ()]) -> Vec<Advance> {
        assert!(drawings.is_empty(), "no job is leased");
        Vec::new()
    }

    fn check(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
