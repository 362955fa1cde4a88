//! Runs the steps of a case against a server, and records the responses.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::case::{Case, Leaving, Names, Request, Step};
use super::normal;
use super::receiver::{Behaviour, Received, Receiver};
use super::server::{LOOKING, Server, TIMEOUT, client, client_of_http2};

/// After this long without a message no more are expected; longer than messages are held back.
const QUIET: Duration = Duration::from_millis(800);

/// The same after the last message: one that it has overtaken may still come.
const AFTERWARDS: Duration = Duration::from_millis(250);

/// Drawings of cases that are not cancelled end before this; what goes on has not seen its cancel.
const LOST: Duration = Duration::from_secs(5);

/// A server that means to refuse connections does so before this.
const CLOSING: Duration = Duration::from_secs(3);

/// A server, what it sends to, and clients for it.
pub(super) struct Player {
    pub(super) server: Server,
    pub(super) receiver: Receiver,
    client: Client,
    client_of_http2: Client,
}

impl Player {
    pub(super) fn new(server: Server, receiver: Receiver) -> Self {
        Self {
            server,
            receiver,
            client: client(),
            client_of_http2: client_of_http2(),
        }
    }

    /// What came back, in the order of the steps. Afterwards the server is ready for the next.
    pub(super) async fn play(&mut self, case: &Case, id: String) -> Value {
        let names = Names {
            id,
            receiver: self.receiver.address.clone(),
        };
        self.receiver.behave(Behaviour::Takes);
        let mut begun = None;
        let mut noted = Vec::new();
        for step in &case.steps {
            match step {
                Step::Begin(request) => begun = Some(self.begin(request, &names).await),
                Step::Join => noted.push(begun.take().unwrap().await.unwrap()),
                step => noted.extend(self.step(step, &names).await),
            }
        }
        let ended = case.steps.iter().any(|step| matches!(step, Step::Exit));
        if self.server.stage.draws() && !ended {
            self.end_drawings(&names).await;
        }
        Value::Array(noted)
    }

    /// Waits until the server is ready, and cancels what the case has left running: Cog's server loses a cancel
    /// that arrives before its worker has begun.
    async fn end_drawings(&mut self, names: &Names) {
        let end = Instant::now() + TIMEOUT;
        loop {
            match timeout(LOST, self.server.becomes("READY")).await {
                Ok(ready) => return assert!(ready, "{}", self.server.log()),
                Err(_) => assert!(Instant::now() < end, "{}", self.server.log()),
            }
            self.request(&super::case::cancel(), names)
                .send()
                .await
                .unwrap();
        }
    }

    async fn step(&mut self, step: &Step, names: &Names) -> Option<Value> {
        match step {
            Step::Send(request) => {
                let sending = self.request(request, names).send().await.unwrap();
                return Some(note(sending, names).await);
            }
            Step::UntilFirstFile => self.until_first_file(names).await,
            Step::UntilReady => assert!(self.server.becomes("READY").await),
            Step::Leave(request, leaving) => {
                return Some(self.leave(request, *leaving, names).await);
            }
            Step::Repeat(request, times) => return Some(self.repeat(request, *times, names).await),
            Step::Receiver(behaviour) => self.receiver.behave(*behaviour),
            Step::Webhooks => return Some(json!({"webhooks": self.webhooks(names).await})),
            Step::FirstAndLastWebhook => {
                let messages = self.webhooks(names).await;
                let ends = [messages.first(), messages.last()];
                return Some(json!({"first and last webhook": ends}));
            }
            Step::WebhooksAtOnce => {
                self.webhooks(names).await;
                let most = self.receiver.at_once(&format!("/hook/{}", names.id));
                let text = if most > 1 { "several" } else { "one" };
                return Some(json!({"webhooks under way at once": text}));
            }
            Step::Uploads => return Some(json!({"uploads": self.uploads(names)})),
            Step::Terminate => self.server.terminate(),
            Step::Connect => {
                return Some(json!({"a new connection": self.connects().await}));
            }
            Step::Exit => return Some(json!({"exit status": self.server.status().await})),
            Step::Begin(_) | Step::Join => unreachable!("the caller does these"),
        }
        None
    }

    fn request(&self, request: &Request, names: &Names) -> reqwest::RequestBuilder {
        let client = if request.http2 {
            &self.client_of_http2
        } else {
            &self.client
        };
        let url = format!(
            "http://{}{}",
            self.server.address,
            names.resolve(&request.path)
        );
        let mut built = client.request(request.method.parse().unwrap(), url);
        for (name, value) in &request.headers {
            built = built.header(*name, names.resolve(value));
        }
        match &request.body {
            Some(body) => built.body(encoded(request, names.resolve(body))),
            None => built,
        }
    }

    async fn begin(&self, request: &Request, names: &Names) -> JoinHandle<Value> {
        let sending = self.request(request, names).send();
        let names = names.clone();
        if request.wants_a_stream() {
            let response = sending.await.unwrap();
            return tokio::spawn(async move { note(response, &names).await });
        }
        tokio::spawn(async move { note(sending.await.unwrap(), &names).await })
    }

    /// A client that asks for a running prediction gets its progress.
    async fn until_first_file(&mut self, names: &Names) {
        assert!(self.server.becomes("BUSY").await, "{}", self.server.log());
        let end = Instant::now() + TIMEOUT;
        loop {
            let again = super::case::put("/predictions/$ID").json("{}");
            let answer = self.request(&again, names).send().await.unwrap();
            let status = answer.status();
            let body: Value = answer.json().await.unwrap();
            assert_eq!(status.as_u16(), 202, "{body} {}", self.server.log());
            if body["output"].is_array() {
                return;
            }
            assert!(Instant::now() < end, "{body}");
            sleep(LOOKING).await;
        }
    }

    /// Sends a request on a connection of its own and leaves while it is answered.
    async fn leave(&mut self, request: &Request, leaving: Leaving, names: &Names) -> Value {
        let mut stream = TcpStream::connect(&self.server.address).await.unwrap();
        let bytes = bytes_of(request, names);
        stream.write_all(bytes.as_bytes()).await.unwrap();
        self.until_first_file(names).await;
        let mut received = String::new();
        if leaving == Leaving::ClosesItsHalf {
            stream.shutdown().await.unwrap();
            let reading = stream.read_to_string(&mut received);
            timeout(TIMEOUT, reading).await.unwrap().unwrap();
        }
        drop(stream);
        assert!(self.server.becomes("READY").await);
        json!({"received after leaving": received.split("\r\n").next()})
    }

    async fn repeat(&self, request: &Request, times: usize, names: &Names) -> Value {
        for _ in 0..times {
            let response = self.request(request, names).send().await.unwrap();
            if response.status().as_u16() != 200 {
                return note(response, names).await;
            }
            // Reading to the end is what frees the connection for the next request.
            response.bytes().await.unwrap();
        }
        json!({"refused": format!("none of {times}")})
    }

    async fn connects(&self) -> &'static str {
        let end = Instant::now() + CLOSING;
        while Instant::now() < end {
            if !self.server.accepts().await {
                return "refused";
            }
            sleep(LOOKING).await;
        }
        "accepted"
    }

    /// The messages that the receiver got, by how much of the prediction had happened: two messages that
    /// are under way at once may overtake one another.
    async fn webhooks(&self, names: &Names) -> Vec<Value> {
        let is_final = |one: &Received| progress(one).0;
        let received = || {
            let mut messages = self.receiver.about(&names.id);
            messages.retain(|one| one.method == "POST");
            messages
        };
        let mut messages = received();
        let mut changed = Instant::now();
        loop {
            let over = self.receiver.takes() && messages.iter().any(is_final);
            if changed.elapsed() > if over { AFTERWARDS } else { QUIET } {
                break;
            }
            sleep(LOOKING).await;
            let now = received();
            if now.len() > messages.len() {
                changed = Instant::now();
            }
            messages = now;
        }
        messages.sort_by_key(progress);
        messages.iter().map(|one| message(one, names)).collect()
    }

    fn uploads(&self, names: &Names) -> Vec<Value> {
        let mut files = self.receiver.about(&names.id);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files.iter().map(|one| message(one, names)).collect()
    }
}

/// The bytes of a body, which are compressed if the request's headers say so.
fn encoded(request: &Request, body: String) -> Vec<u8> {
    let gzip = ("content-encoding", "gzip".to_owned());
    if !request.headers.contains(&gzip) {
        return body.into_bytes();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Whether a message is `completed`, and how many files and how long a log it has.
fn progress(message: &Received) -> (bool, usize, usize) {
    let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    (
        body["status"] != "processing",
        body["output"].as_array().map_or(0, Vec::len),
        body["logs"].as_str().map_or(0, str::len),
    )
}

fn message(received: &Received, names: &Names) -> Value {
    let content_type = received.headers.get("content-type");
    let content_type = content_type.map_or("", |text| text.to_str().unwrap());
    json!({
        "method": received.method,
        "path": names.hide(&received.path),
        "headers": normal::headers(&received.headers, names),
        "body": normal::body(content_type, &received.body, names),
    })
}

async fn note(response: Response, names: &Names) -> Value {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let content_type = headers.get("content-type");
    let content_type = content_type.map_or("", |text| text.to_str().unwrap());
    let bytes = response.bytes().await.unwrap();
    json!({
        "status": status,
        "headers": normal::headers(&headers, names),
        "body": normal::body(content_type, &bytes, names),
    })
}

/// A request as it goes over the wire.
fn bytes_of(request: &Request, names: &Names) -> String {
    let body = names.resolve(request.body.as_deref().unwrap_or_default());
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}\r\n", names.resolve(value)))
        .collect();
    let headers = headers.concat();
    format!(
        "{} {} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n{body}",
        request.method,
        names.resolve(&request.path),
        body.len()
    )
}
