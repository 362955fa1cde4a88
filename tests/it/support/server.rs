//! A server on a free port of 127.0.0.1, with an engine that needs no CLIP, and a client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clipdraw::cog::HealthStatus;
use clipdraw::delivery::webhook::{WebhookConfig, WebhookSender};
use clipdraw::delivery::{
    self, AddressPolicy, Client, ClientTimeouts, Downloader, UploadingFileSink,
};
use clipdraw::http::{
    self, CompletedOutput, ConnectionLimits, ConnectionTimeouts, FullStatus, RequestLimits,
    WaitLimits,
};
use clipdraw::replicate::{Api, FileAddresses};
use clipdraw::secret::Secret;
use clipdraw::service::{
    Backends, Destination, InputFileLimits, InputFileStore, KeptFileSource, ListQuery,
    LocalInputFiles, Service, Snapshot, worker,
};
use clipdraw::telemetry::metric;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::support::fake_engine::{Controls, limits, loader};

/// The maximum time for anything that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The options of a test server.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) slots: usize,
    pub(crate) queue: usize,
    pub(crate) long_queue: usize,
    pub(crate) replay: usize,
    pub(crate) token: Option<&'static str>,
    pub(crate) cors_origins: &'static [&'static str],
    pub(crate) host_names: Option<&'static [&'static str]>,
    pub(crate) limits: RequestLimits,
    pub(crate) completed_output: CompletedOutput,
    pub(crate) connection_timeouts: ConnectionTimeouts,
    pub(crate) connections: usize,
    pub(crate) streams: u32,
    pub(crate) policy: AddressPolicy,
    pub(crate) timeouts: ClientTimeouts,
    pub(crate) webhooks: WebhookConfig,
    pub(crate) failing_loads: usize,
    pub(crate) files: FileAddresses,
    pub(crate) input_files: InputFileLimits,
    pub(crate) waits: WaitLimits,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            slots: 1,
            queue: 0,
            long_queue: 0,
            replay: 1024,
            token: None,
            cors_origins: &[],
            host_names: None,
            limits: RequestLimits {
                body_bytes: 1 << 20,
                body_timeout: TIMEOUT,
                output_bytes: 1 << 28,
                subscribers: 16,
            },
            completed_output: CompletedOutput::Unsent,
            connection_timeouts: ConnectionTimeouts {
                head: TIMEOUT,
                idle: TIMEOUT,
                stuck: TIMEOUT,
            },
            connections: 1000,
            streams: 100,
            policy: AddressPolicy::default(),
            timeouts: ClientTimeouts::default(),
            webhooks: WebhookConfig::default(),
            failing_loads: 0,
            files: FileAddresses::default(),
            input_files: InputFileLimits::default(),
            waits: WaitLimits::default(),
        }
    }
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Service>,
    pub(crate) controls: Arc<Controls>,
    pub(crate) webhooks: Arc<WebhookSender>,
    /// Cancelled by `POST /shutdown`.
    pub(crate) stop: CancellationToken,
    /// Cancel it to close the listener.
    pub(crate) closing: CancellationToken,
    pub(crate) connections: JoinHandle<()>,
    client: reqwest::Client,
}

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(request: RequestBuilder) -> Self {
        let response = request.timeout(TIMEOUT).send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The handlers and what they share, without a worker and without a socket.
pub(crate) struct Parts {
    pub(crate) router: Router,
    pub(crate) service: Arc<Service>,
    webhooks: Arc<WebhookSender>,
    stop: CancellationToken,
}

pub(crate) fn parts(choices: &Choices) -> Parts {
    let mut service_limits = limits(choices.slots, choices.queue);
    service_limits.replay = choices.replay;
    service_limits.long_queue = choices.long_queue;
    let client = Arc::new(
        Client::new(delivery::ClientConfig {
            policy: choices.policy.clone(),
            timeouts: choices.timeouts,
            ..delivery::ClientConfig::default()
        })
        .unwrap(),
    );
    let files = Arc::new(UploadingFileSink::new(Arc::clone(&client)));
    let input_files: Arc<dyn InputFileStore> =
        Arc::new(LocalInputFiles::in_memory(choices.input_files));
    let backends = Backends {
        sources: Arc::new(KeptFileSource::new(
            Arc::clone(&input_files),
            Arc::new(Downloader::new(Arc::clone(&client))),
        )),
        ..Backends::in_memory(service_limits, files)
    };
    let service = Service::new(service_limits, backends);
    let name = "clipdraw/clipdraw".parse().unwrap();
    let mut api = Api::new(name, &Secret::generate(), None);
    api.files = choices.files;
    let api = Arc::new(api);
    let webhooks = WebhookSender::new(Arc::clone(&client), choices.webhooks);
    let webhooks = Arc::new(webhooks.with_api(Arc::clone(&api)));
    let stop = CancellationToken::new();
    let origins = choices.cors_origins.iter();
    let dependencies = http::Dependencies {
        service: Arc::clone(&service),
        webhooks: Arc::clone(&webhooks),
        api,
        input_files,
        client,
        destination: Destination::Inline,
        stop: stop.clone(),
        metrics: metric::collect(),
    };
    let config = http::ServerConfig {
        access_token: choices.token.map(SecretString::from),
        cors_origins: origins
            .map(|origin| HeaderValue::from_static(origin))
            .collect(),
        host_names: choices
            .host_names
            .map(|names| names.iter().map(ToString::to_string).collect()),
        limits: choices.limits,
        completed_output: choices.completed_output,
        full_status: FullStatus::Conflict,
        waits: choices.waits,
    };
    let router = http::router(dependencies, config);
    Parts {
        router,
        service,
        webhooks,
        stop,
    }
}

impl TestServer {
    /// A server whose model is loaded, or has failed to load.
    pub(crate) async fn start(choices: Choices) -> Self {
        let server = Self::without_worker(&choices).await;
        server.controls.fail_loads(choices.failing_loads);
        worker::start(Arc::clone(&server.service), loader(&server.controls)).unwrap();
        while server.service.health().await.setup.completed_at.is_none() {
            pause().await;
        }
        server
    }

    /// A server that is still waiting for its model.
    pub(crate) async fn without_worker(choices: &Choices) -> Self {
        let Parts {
            router,
            service,
            webhooks,
            stop,
        } = parts(choices);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let limits = ConnectionLimits {
            connections: choices.connections,
            streams: choices.streams,
            timeouts: choices.connection_timeouts,
        };
        let serving = http::serve(listener, router, limits, closing.clone());
        Self {
            address,
            service,
            controls: Arc::default(),
            webhooks,
            stop,
            closing,
            connections: tokio::spawn(serving),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.request("GET", path)).await
    }

    /// POST or PUT with a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        Answer::read(self.request(method, path).json(body)).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.send("POST", "/predictions", body).await
    }

    /// Starts a prediction without waiting for it.
    pub(crate) async fn post_async(&self, body: &Value) -> Answer {
        let request = self.request("POST", "/predictions").json(body);
        Answer::read(request.header("prefer", "respond-async")).await
    }

    pub(crate) async fn cancel(&self, id: &str) -> Answer {
        Answer::read(self.request("POST", &format!("/predictions/{id}/cancel"))).await
    }

    /// Waits until a drawing holds.
    pub(crate) async fn hold(&self) {
        let controls = Arc::clone(&self.controls);
        spawn_blocking(move || controls.wait_for_hold())
            .await
            .unwrap();
    }

    /// Waits until a prediction has `count` events: a drawing that holds has reported its start and its
    /// frames, and they become events a little later.
    pub(crate) async fn wait_for_events(&self, id: &str, count: u64) {
        let prediction = self.service.find(id).await.unwrap().unwrap();
        while prediction.event(count).unwrap().is_none() {
            pause().await;
        }
    }

    /// All predictions that the server knows, the newest first.
    pub(crate) async fn known(&self) -> Vec<Snapshot> {
        known(&self.service).await
    }

    /// Waits until the prediction is finished and returns its state.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        self.service
            .find(id)
            .await
            .unwrap()
            .unwrap()
            .finished()
            .await;
        self.get(&format!("/predictions/{id}")).await.json()
    }

    /// Waits until the server is in a state.
    pub(crate) async fn becomes(&self, status: HealthStatus) {
        while self.service.health().await.status != status {
            pause().await;
        }
    }

    /// A new connection on which `bytes` have been sent.
    pub(crate) async fn connect(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

/// All predictions that a service knows, the newest first.
pub(crate) async fn known(service: &Service) -> Vec<Snapshot> {
    let page = service.list(&ListQuery::default()).await;
    page.unwrap().predictions
}

pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The body of a request for a small drawing.
pub(crate) fn small(prompt: &str) -> Value {
    json!({"input": input(prompt)})
}

/// The same with an id.
pub(crate) fn with_id(id: &str, prompt: &str) -> Value {
    json!({"id": id, "input": input(prompt)})
}

fn input(prompt: &str) -> Value {
    json!({
        "prompt": prompt, "num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7
    })
}

/// A whole POST to `/predictions` as bytes.
pub(crate) fn raw_post(headers: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
