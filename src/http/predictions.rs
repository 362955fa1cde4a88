//! `/predictions`: asking for a drawing, following it, stopping it.
//!
//! The checks come in the order of Cog's server: the body, the id against the path, whether a
//! prediction of that id runs, the inputs, and last whether there is room.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::envelope::{PredictionRequest, check_id};
use super::error::HttpError;
use super::output_budget::check_output;
use super::preference::{Preference, accepts_events, last_event};
use super::request_log::about;
use super::state::Application;
use super::stream::{Seat, events, events_from_the_first};
use super::targets::Sending;
use crate::cog::Detail;
use crate::inputs::Input;
use crate::service::{CancelPolicy, Destination, Prediction, Snapshot, Submission, SubmitError};

/// Answers with more bytes of output than this are written elsewhere, since that takes a while.
const LARGE: usize = 1 << 20;

/// `POST /predictions`.
pub(super) async fn create(
    State(application): State<Arc<Application>>,
    request: Request,
) -> Result<Response, HttpError> {
    let headers = request.headers().clone();
    let envelope = read(&application, request).await?;
    if let Some(id) = &envelope.id {
        check_id(id)?;
    }
    start(&application, &headers, envelope).await
}

/// `PUT /predictions/{id}`: as [`create`], but who asks twice is shown the prediction that runs.
pub(super) async fn create_once(
    State(application): State<Arc<Application>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    put(&application, id, request, "prediction").await
}

/// Answers a PUT; `what` is what its path calls a prediction.
pub(super) async fn put(
    application: &Arc<Application>,
    id: String,
    request: Request,
    what: &str,
) -> Result<Response, HttpError> {
    let headers = request.headers().clone();
    let mut envelope = read(application, request).await?;
    if envelope.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Detail::id_mismatch(what).into());
    }
    check_id(&id)?;
    if let Some(running) = application.service().unfinished(&id).await {
        return join(application, &headers, running).await;
    }
    envelope.id = Some(id);
    match start(application, &headers, envelope).await {
        // Somebody else was faster.
        Err(HttpError::AlreadyRunning(running)) => join(application, &headers, running).await,
        outcome => outcome,
    }
}

/// `GET /predictions/{id}`: the state by now, or the events from the beginning.
pub(super) async fn show(
    State(application): State<Arc<Application>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let found = application.service().find(&id).await;
    let prediction = found.ok_or(HttpError::NotFound)?;
    about(prediction.id());
    if accepts_events(&headers) {
        let seat = Seat::take(&application)?;
        return Ok(events(&application, prediction, last_event(&headers), seat));
    }
    body(StatusCode::OK, prediction.snapshot()).await
}

/// `GET /predictions`: those that are known, newest first, without their files.
pub(super) async fn list(State(application): State<Arc<Application>>) -> Json<Value> {
    let results: Vec<Snapshot> = application
        .service()
        .recent()
        .await
        .iter()
        .map(|prediction| Snapshot {
            output: Vec::new(),
            ..prediction.snapshot()
        })
        .collect();
    Json(json!({ "results": results }))
}

/// `POST /predictions/{id}/cancel`.
pub(super) async fn cancel(
    State(application): State<Arc<Application>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let unfinished = application.service().unfinished(&id).await;
    let prediction = unfinished.ok_or(HttpError::NothingToCancel)?;
    about(prediction.id());
    prediction.cancel();
    Ok(Json(json!({})))
}

async fn read(application: &Application, request: Request) -> Result<PredictionRequest, HttpError> {
    PredictionRequest::read(request, application.settings.limits.body_pause).await
}

/// Starts a prediction and answers as the client prefers.
async fn start(
    application: &Arc<Application>,
    headers: &HeaderMap,
    mut envelope: PredictionRequest,
) -> Result<Response, HttpError> {
    let preference = Preference::of(headers);
    let (input, notes) = Input::from_request(&envelope.inputs()?)?;
    let sending = Sending::read(&application.settings, &envelope, headers)?;
    if matches!(sending.destination, Destination::Inline) {
        check_output(&input, application.settings.limits.output_bytes)?;
    }
    let Sending {
        destination,
        webhook,
    } = sending;
    let submission = Submission {
        id: envelope.id,
        input,
        notes,
        destination,
        cancel_policy: match preference {
            Preference::Stream => CancelPolicy::WithoutSubscribers,
            Preference::Wait | Preference::RespondAsync => CancelPolicy::OnRequest,
        },
    };
    // A stream needs a seat before anything is drawn for it.
    let seat = match preference {
        Preference::Stream => Some(Seat::take(application)?),
        Preference::Wait | Preference::RespondAsync => None,
    };
    let prediction = application.service().submit(submission).await?;
    about(prediction.id());
    if let Some(webhook) = webhook {
        let sender = &application.settings.webhooks;
        sender.spawn(Arc::clone(&prediction), webhook);
    }
    match (preference, seat) {
        (_, Some(seat)) => Ok(events_from_the_first(application, prediction, seat)),
        (Preference::RespondAsync, None) => {
            // The drawing may have begun meanwhile; what is answered here is that it is accepted.
            body(StatusCode::ACCEPTED, prediction.accepted_snapshot()).await
        }
        (_, None) => wait(&prediction).await,
    }
}

/// Shows a prediction that runs already to somebody who asked for it again.
async fn join(
    application: &Application,
    headers: &HeaderMap,
    running: Arc<Prediction>,
) -> Result<Response, HttpError> {
    about(running.id());
    if accepts_events(headers) {
        let seat = Seat::take(application)?;
        return Ok(events(application, running, last_event(headers), seat));
    }
    body(StatusCode::ACCEPTED, running.snapshot()).await
}

/// Waits for the end. If the client leaves before, this is dropped, and nobody wants the drawing.
async fn wait(prediction: &Arc<Prediction>) -> Result<Response, HttpError> {
    let _client = Client(prediction);
    body(StatusCode::OK, prediction.finished().await).await
}

/// The one client that waits for a prediction.
struct Client<'a>(&'a Prediction);

impl Drop for Client<'_> {
    fn drop(&mut self) {
        // After the end this changes nothing.
        self.0.cancel();
    }
}

async fn body(status: StatusCode, snapshot: Snapshot) -> Result<Response, HttpError> {
    let size: usize = snapshot.output.iter().map(|file| file.len()).sum();
    let write = move || serde_json::to_vec(&snapshot);
    let written = if size <= LARGE {
        write()
    } else {
        spawn_blocking(write)
            .await
            .map_err(|error| HttpError::internal(&error))?
    };
    let bytes = written.map_err(|error| HttpError::internal(&error))?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((status, json, Body::from(bytes)).into_response())
}

impl From<SubmitError> for HttpError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotReady => Self::NotReady,
            SubmitError::AtCapacity => Self::AtCapacity,
            SubmitError::AlreadyRunning(running) => Self::AlreadyRunning(running),
            SubmitError::Closed => Self::Closed,
            SubmitError::Unavailable(_) => Self::internal(&error),
        }
    }
}
