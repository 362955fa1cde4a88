//! The receiver of webhooks and files. It records everything, and misbehaves on request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// How long a slow receiver takes for an answer.
const SLOW: Duration = Duration::from_millis(400);

/// What the receiver does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Answers 200.
    Takes,
    /// Answers 200 after a while.
    TakesSlowly,
    /// Answers with this status.
    Refuses(u16),
    /// Answers 500 twice, and 200 from then on.
    FailsTwice,
    /// Answers 201 and names another place, with a query that is a secret.
    Locates,
    /// Sends files on to another place with 307, where they are taken.
    SendsOn,
    /// Takes the first file slowly.
    TakesTheFirstSlowly,
}

/// A message or a file.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug)]
struct Notes {
    behaviour: Behaviour,
    failures: usize,
    received: Vec<Received>,
    /// By path: how many are being answered, and how many were at most.
    at_once: HashMap<String, (usize, usize)>,
}

/// A running receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) address: String,
    notes: Arc<Mutex<Notes>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            notes: Arc::new(Mutex::new(Notes {
                behaviour: Behaviour::Takes,
                failures: 0,
                received: Vec::new(),
                at_once: HashMap::new(),
            })),
        };
        let router = Router::new()
            .fallback(take)
            .with_state(Arc::clone(&receiver.notes));
        tokio::spawn(async { axum::serve(listener, router).await });
        receiver
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        let mut notes = self.notes.lock();
        notes.behaviour = behaviour;
        notes.failures = 0;
    }

    /// Whether everything is taken at the first attempt.
    pub(super) fn takes(&self) -> bool {
        self.notes.lock().behaviour == Behaviour::Takes
    }

    /// Everything so far that belongs to a prediction, by its path or its headers.
    pub(super) fn about(&self, id: &str) -> Vec<Received> {
        let belongs = |one: &&Received| {
            let header = one.headers.get("x-prediction-id");
            one.path.ends_with(&format!("/{id}")) || header.is_some_and(|header| header == id)
        };
        let notes = self.notes.lock();
        notes.received.iter().filter(belongs).cloned().collect()
    }

    /// How many messages to a path had to be answered at the same moment at most.
    pub(super) fn at_once(&self, path: &str) -> usize {
        self.notes.lock().at_once.get(path).map_or(0, |at| at.1)
    }
}

async fn take(State(notes): State<Arc<Mutex<Notes>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let behaviour = {
        let mut notes = notes.lock();
        notes.received.push(Received {
            method: parts.method.to_string(),
            path: path.clone(),
            headers: parts.headers,
            body,
        });
        let (now, most) = notes.at_once.entry(path.clone()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        notes.behaviour
    };
    let answer = answer(behaviour, &path, &notes).await;
    if let Some((now, _)) = notes.lock().at_once.get_mut(&path) {
        *now -= 1;
    }
    answer
}

async fn answer(behaviour: Behaviour, path: &str, notes: &Mutex<Notes>) -> Response {
    match behaviour {
        Behaviour::Takes => StatusCode::OK.into_response(),
        Behaviour::TakesSlowly => {
            sleep(SLOW).await;
            StatusCode::OK.into_response()
        }
        Behaviour::TakesTheFirstSlowly => {
            if path.contains("00000") {
                sleep(SLOW).await;
            }
            StatusCode::OK.into_response()
        }
        Behaviour::Refuses(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Behaviour::FailsTwice => {
            let mut notes = notes.lock();
            notes.failures += 1;
            let failed = notes.failures <= 2;
            if failed {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            }
            .into_response()
        }
        Behaviour::Locates => {
            let place = format!("https://files.example{path}?signature=secret");
            (StatusCode::CREATED, [(header::LOCATION, place)]).into_response()
        }
        Behaviour::SendsOn if path.starts_with("/elsewhere") => StatusCode::OK.into_response(),
        Behaviour::SendsOn => {
            let place = format!("/elsewhere{path}");
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
        }
    }
}
