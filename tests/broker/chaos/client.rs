//! Clients of the front ends, which go on when one of them dies.

use std::time::{Duration, Instant};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::reference::{Events, Fact};

/// The maximum time for one prediction.
const TIMEOUT: Duration = Duration::from_secs(100);

/// The pause after a front end could not be reached.
const PAUSE: Duration = Duration::from_millis(50);

/// How a prediction is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In the background, followed by an event stream.
    Follow,
    /// In the background, asked for until it ends.
    Poll,
    /// The request waits for the drawing.
    Wait,
    /// The request is an event stream.
    Stream,
    /// In the background, and cancelled after a moment.
    Cancel,
    /// The request waits, and its client disconnects after a moment.
    HangUp,
}

impl Mode {
    pub(super) fn choose(random: &mut ChaCha8Rng) -> Self {
        match random.random_range(0..20) {
            0..8 => Self::Follow,
            8..11 => Self::Poll,
            11..14 => Self::Wait,
            14..16 => Self::Stream,
            16..18 => Self::Cancel,
            _ => Self::HangUp,
        }
    }
}

/// The front ends.
#[derive(Debug, Clone)]
pub(super) struct FrontEnds {
    pub(super) addresses: Vec<String>,
    pub(super) client: Client,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) mode: Mode,
    pub(super) body: Value,
    /// Decides which front end is asked, and when a client cancels or disconnects.
    pub(super) random: ChaCha8Rng,
}

/// What a client has seen of its prediction.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) mode: Mode,
    /// Whether the server has promised to draw it, by a 202 or by an event.
    pub(super) accepted: bool,
    /// Whether it has a webhook.
    pub(super) has_webhook: bool,
    pub(super) events: Events,
    /// The status that a response gave as final.
    pub(super) status: Option<String>,
    /// What must not happen.
    pub(super) errors: Vec<String>,
}

impl FrontEnds {
    fn url(&self, random: &mut ChaCha8Rng, path: &str) -> String {
        let chosen = random.random_range(0..self.addresses.len());
        format!("http://{}{path}", self.addresses[chosen])
    }

    /// Makes a request, and follows its prediction to the end.
    pub(super) async fn run(&self, request: Request) -> Seen {
        let mut seen = Seen {
            id: request.id.clone(),
            mode: request.mode,
            accepted: false,
            has_webhook: request.body["webhook"].is_string(),
            events: Events::default(),
            status: None,
            errors: Vec::new(),
        };
        let running = async {
            match request.mode {
                Mode::Follow | Mode::Poll | Mode::Cancel => {
                    self.in_background(request, &mut seen).await;
                }
                Mode::Wait | Mode::Stream | Mode::HangUp => {
                    self.on_connection(request, &mut seen).await;
                }
            }
        };
        if timeout(TIMEOUT, running).await.is_err() {
            seen.errors.push("it did not end in time".to_owned());
        }
        seen
    }

    async fn in_background(&self, request: Request, seen: &mut Seen) {
        let Request {
            id,
            mode,
            body,
            mut random,
        } = request;
        let path = format!("/predictions/{id}");
        loop {
            let put = self.client.put(self.url(&mut random, &path));
            let put = put.header("prefer", "respond-async").json(&body);
            match put.send().await.map(|answer| answer.status()) {
                Ok(StatusCode::ACCEPTED) => break,
                Ok(status) if is_busy(status) => sleep(PAUSE).await,
                Ok(status) => {
                    seen.errors.push(format!("{status} for a request"));
                    return;
                }
                // Whether it was accepted is not known: repeating the request would draw a finished one again.
                Err(_) if self.exists(&mut random, &path).await => break,
                Err(_) => {}
            }
        }
        seen.accepted = true;
        if mode == Mode::Cancel {
            sleep(Duration::from_millis(random.random_range(0..600))).await;
            loop {
                let url = self.url(&mut random, &format!("{path}/cancel"));
                match self
                    .client
                    .post(url)
                    .send()
                    .await
                    .map(|answer| answer.status())
                {
                    // 404: it has ended already, which the events below have to show.
                    Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => break,
                    Ok(status) if is_busy(status) => {}
                    Ok(status) => {
                        seen.errors.push(format!("{status} for a cancellation"));
                        return;
                    }
                    Err(_) => {}
                }
                sleep(PAUSE).await;
            }
        }
        if mode == Mode::Poll {
            seen.status = Some(self.poll(&mut random, &path, seen).await);
        } else {
            self.follow(&mut random, &path, seen).await;
        }
    }

    /// Whether a front end knows a prediction; it is asked until one answers.
    async fn exists(&self, random: &mut ChaCha8Rng, path: &str) -> bool {
        loop {
            let get = self.client.get(self.url(random, path)).send().await;
            match get.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => return true,
                Ok(StatusCode::NOT_FOUND) => return false,
                _ => sleep(PAUSE).await,
            }
        }
    }

    /// Asks for a prediction until it has ended, and returns its status.
    pub(super) async fn poll(
        &self,
        random: &mut ChaCha8Rng,
        path: &str,
        seen: &mut Seen,
    ) -> String {
        loop {
            let get = self.client.get(self.url(random, path)).send().await;
            match get.map(|answer| (answer.status(), answer)) {
                Ok((StatusCode::OK, answer)) => {
                    if let Some(status) = end(answer).await {
                        return status;
                    }
                }
                Ok((status, _)) if !is_busy(status) => {
                    seen.errors
                        .push(format!("{status} for an accepted prediction"));
                    return "lost".to_owned();
                }
                _ => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// Follows the events until the last one, at whichever front end answers.
    pub(super) async fn follow(&self, random: &mut ChaCha8Rng, path: &str, seen: &mut Seen) {
        while seen.events.status().is_none() && seen.errors.is_empty() {
            let get = self.client.get(self.url(random, path));
            let get = get.header("accept", "text/event-stream");
            let get = match seen.events.last() {
                0 => get,
                last => get.header("last-event-id", last),
            };
            if let Ok(answer) = get.send().await {
                match answer.status() {
                    StatusCode::OK => read_events(answer, seen).await,
                    status if is_busy(status) => {}
                    status => seen.errors.push(format!(
                        "{status} for the events behind {}",
                        seen.events.last()
                    )),
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn on_connection(&self, request: Request, seen: &mut Seen) {
        let Request {
            id,
            mode,
            body,
            mut random,
        } = request;
        let path = format!("/predictions/{id}");
        let moment = Duration::from_millis(random.random_range(0..600));
        let put = self.client.put(self.url(&mut random, &path)).json(&body);
        let put = match mode {
            Mode::Stream => put.header("accept", "text/event-stream"),
            Mode::HangUp => put.timeout(moment),
            _ => put,
        };
        let Ok(answer) = put.send().await else {
            // The front end has died, or the client disconnects: the prediction has to end.
            seen.status = self.ended(&mut random, &path, seen).await;
            return;
        };
        match answer.status() {
            StatusCode::OK if mode == Mode::Stream => {
                read_events(answer, seen).await;
                if seen.events.status().is_none() {
                    seen.status = self.ended(&mut random, &path, seen).await;
                }
            }
            StatusCode::OK => match answer.json::<Value>().await {
                Ok(state) => seen.status = Some(state["status"].as_str().unwrap().to_owned()),
                Err(_) => seen.status = self.ended(&mut random, &path, seen).await,
            },
            status if is_busy(status) => {}
            status => seen.errors.push(format!("{status} for a request")),
        }
    }

    /// The final status of a prediction that lost its client; `None` if it was never accepted.
    async fn ended(&self, random: &mut ChaCha8Rng, path: &str, seen: &mut Seen) -> Option<String> {
        if !self.exists(random, path).await {
            return None;
        }
        Some(self.poll(random, path, seen).await)
    }

    /// The status of a prediction at each front end, when all of them answer.
    pub(super) async fn statuses(&self, id: &str) -> Vec<Value> {
        let mut statuses = Vec::new();
        for address in &self.addresses {
            let began = Instant::now();
            let status = loop {
                let url = format!("http://{address}/predictions/{id}");
                match self.client.get(url).send().await {
                    Ok(answer) if answer.status() == StatusCode::OK => {
                        break answer.json::<Value>().await.unwrap()["status"].clone();
                    }
                    Ok(answer) if !is_busy(answer.status()) => {
                        break Value::from(answer.status().as_u16());
                    }
                    _ if began.elapsed() > TIMEOUT => break Value::Null,
                    _ => sleep(PAUSE).await,
                }
            };
            statuses.push(status);
        }
        statuses
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE
}

/// Reads events until the stream ends or breaks.
async fn read_events(mut answer: Response, seen: &mut Seen) {
    let mut unread = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        unread.extend_from_slice(&chunk);
        while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = unread.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            if let Err(error) = receive(&event, seen) {
                seen.errors.push(error);
                return;
            }
        }
    }
}

fn receive(event: &str, seen: &mut Seen) -> Result<(), String> {
    let field = |name: &str| {
        let mut lines = event.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let Some(name) = field("event") else {
        // A comment.
        return Ok(());
    };
    if name == "error" {
        return Err(event.to_owned());
    }
    seen.accepted = true;
    let number = field("id").and_then(|id| id.parse().ok());
    let data = field("data").and_then(|data| serde_json::from_str(data).ok());
    match (number, data) {
        (Some(number), Some(data)) => seen.events.push(number, Fact::read(name, &data)),
        _ => Err(format!("a broken event: {event}")),
    }
}

/// The status of a prediction that has ended.
async fn end(answer: Response) -> Option<String> {
    let state = answer.json::<Value>().await.ok()?;
    let has_ended = state["completed_at"].is_string();
    has_ended.then(|| state["status"].as_str().unwrap().to_owned())
}
