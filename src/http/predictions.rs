//! `/predictions`: starts a prediction, follows it, and cancels it.
//!
//! The checks run in the same order as in Cog's server: the body, the ID against the path, whether
//! a prediction with that ID is running, the inputs, and finally the capacity.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::Instrument;

use super::accept::Form;
use super::drawing;
use super::error::{FullStatus, HttpError};
use super::output_budget::check_output;
use super::prediction_request::{PredictionRequest, check_id};
use super::preference::{Preference, accepts_events, last_event_id};
use super::read_inputs::read_inputs;
use super::request_addresses::RequestAddresses;
use super::request_log::record_prediction;
use super::state::AppState;
use super::stream::{StreamPermit, events, events_from_start};
use crate::cog::Detail;
use crate::delivery::webhook::Webhook;
use crate::hex::lower_hex;
use crate::service::{
    CancelPolicy, Destination, Dispatch, Origin, Prediction, Priority, RestartPolicy, Snapshot,
    Submission, SubmitError,
};

/// Responses with more bytes of output than this are serialized on a blocking thread.
const MAX_INLINE_BYTES: usize = 1 << 20;

/// `POST /predictions`.
pub(super) async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, HttpError> {
    let headers = request.headers().clone();
    let request = read(&state, request).await?;
    if let Some(id) = &request.id {
        check_id(id)?;
    }
    start(&state, &headers, request).await
}

/// `PUT /predictions/{id}`: like [`create`], but idempotent: a second request with the same ID gets
/// the prediction that is already running.
pub(super) async fn create_once(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    put(&state, id, request, "prediction").await
}

/// Handles a PUT. `what` is the word for a prediction in error messages: "prediction" or "training".
pub(super) async fn put(
    state: &Arc<AppState>,
    id: String,
    request: Request,
    what: &str,
) -> Result<Response, HttpError> {
    let headers = request.headers().clone();
    let mut request = read(state, request).await?;
    if request.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Detail::id_mismatch(what).into());
    }
    check_id(&id)?;
    if let Some(running) = state.service().unfinished(&id).await {
        return join(state, &headers, running).await;
    }
    request.id = Some(id);
    match start(state, &headers, request).await {
        // Another request with this ID was submitted after the check above.
        Err(HttpError::AlreadyRunning(running)) => join(state, &headers, running).await,
        outcome => outcome,
    }
}

/// `GET /predictions/{id}`: the current state, an event stream that replays from the beginning, or the
/// finished drawing.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let prediction = find(&state, &id).await?.ok_or(HttpError::NotFound)?;
    if accepts_events(&headers) {
        let permit = StreamPermit::take(&state)?;
        return Ok(events(&state, prediction, last_event_id(&headers), permit));
    }
    respond(prediction.snapshot(), Form::of(&headers)?).await
}

/// The prediction with an id, whose request it is from now on.
pub(super) async fn find(state: &AppState, id: &str) -> Result<Option<Arc<Prediction>>, HttpError> {
    let found = state.service().find(id).await;
    let found = found.map_err(|error| HttpError::unavailable(&error))?;
    if let Some(prediction) = &found {
        record_prediction(prediction.id());
    }
    Ok(found)
}

/// `POST /predictions/{id}/cancel`.
pub(super) async fn cancel(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let found = state.service().find_unfinished(&id).await;
    let unfinished = found.map_err(|error| HttpError::unavailable(&error))?;
    let prediction = unfinished.ok_or(HttpError::NothingToCancel)?;
    record_prediction(prediction.id());
    let recorded = state.service().cancel(&prediction).await;
    recorded.map_err(|error| HttpError::unavailable(&error))?;
    Ok(Json(json!({})))
}

async fn read(state: &AppState, request: Request) -> Result<PredictionRequest, HttpError> {
    PredictionRequest::read(request, state.config.limits.body_timeout).await
}

/// How a request that started a prediction is answered.
#[derive(Debug)]
enum Reply {
    /// With the result, once the prediction has finished.
    Wait(Form),
    /// With 202 at once.
    Accepted,
    /// With an event stream.
    Stream(StreamPermit),
}

impl Reply {
    /// The reply that the client prefers.
    ///
    /// # Errors
    /// If it is an event stream and too many of them are open, or an image in a format that does not exist.
    fn new(headers: &HeaderMap, state: &AppState) -> Result<Self, HttpError> {
        Ok(match Preference::of(headers) {
            Preference::Wait => Self::Wait(Form::of(headers)?),
            Preference::RespondAsync => Self::Accepted,
            Preference::Stream => Self::Stream(StreamPermit::take(state)?),
        })
    }
}

/// Starts a prediction and answers as the client prefers.
async fn start(
    state: &Arc<AppState>,
    headers: &HeaderMap,
    mut request: PredictionRequest,
) -> Result<Response, HttpError> {
    let (input, notes) = read_inputs(state, &Arc::new(request.inputs()?)).await?;
    let addresses = RequestAddresses::read(&state.dependencies, &request, headers)?;
    if matches!(addresses.destination, Destination::Inline) {
        check_output(&input, state.config.limits.output_bytes)?;
    }
    // The permit is taken first, so that nothing is drawn for a stream that cannot be opened.
    let reply = Reply::new(headers, state)?;
    if let Reply::Wait(Form::Drawing(choice)) = reply {
        drawing::check_format(choice, input.output_format(), &addresses.destination)?;
    }
    let submission = Submission {
        id: request.id,
        input,
        notes,
        destination: addresses.destination,
        cancel_policy: match reply {
            Reply::Stream(_) => CancelPolicy::WithoutSubscribers,
            Reply::Wait(_) | Reply::Accepted => CancelPolicy::OnRequest,
        },
        restart_policy: match reply {
            Reply::Wait(_) | Reply::Stream(_) if addresses.webhook.is_none() => {
                RestartPolicy::Cancel
            }
            _ => RestartPolicy::DrawAgain,
        },
        receiver: addresses.webhook.as_ref().map(Webhook::to_receiver),
        dispatch: dispatch(headers, request.priority.unwrap_or_default()),
        origin: Origin::default(),
    };
    let is_awaited = !matches!(reply, Reply::Accepted);
    let accepted = accept(state, submission, addresses.webhook, is_awaited).await;
    let prediction = accepted.map_err(|error| match error {
        HttpError::AtCapacity(_) => HttpError::AtCapacity(state.config.full_status),
        error => error,
    })?;
    record_prediction(prediction.id());
    match reply {
        Reply::Stream(permit) => Ok(events_from_start(state, prediction, permit)),
        Reply::Accepted => {
            // The drawing may have started already, but this response reports its acceptance.
            body(StatusCode::ACCEPTED, prediction.accepted_snapshot()).await
        }
        Reply::Wait(form) => wait(&prediction, form).await,
    }
}

/// How a prediction is queued: by its priority, and by turns with those of other callers, who have other tokens.
pub(super) fn dispatch(headers: &HeaderMap, priority: Priority) -> Dispatch {
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    Dispatch {
        priority,
        caller: header(header::AUTHORIZATION).map(digest),
        trace: header(HeaderName::from_static("traceparent"))
            .and_then(|trace| String::from_utf8(trace.to_vec()).ok()),
    }
}

/// A text that stands for a token and does not reveal it.
fn digest(token: &[u8]) -> String {
    lower_hex(&Sha256::digest(token)[..8])
}

/// Submits a prediction and starts its webhooks. This continues if the client disconnects in between, because a store may
/// have recorded the prediction already; it is cancelled then if that client waits for its end (`is_awaited`).
pub(super) async fn accept(
    state: &Arc<AppState>,
    submission: Submission,
    webhook: Option<Webhook>,
    is_awaited: bool,
) -> Result<Arc<Prediction>, HttpError> {
    let state = Arc::clone(state);
    let (reply, accepted) = oneshot::channel();
    let accepting = async move {
        let submitted = state.service().submit(submission).await;
        // The store of several processes decides which of them sends the webhooks.
        if let Ok(prediction) = &submitted
            && let Some(webhook) = webhook
            && !state.service().is_shared()
        {
            let sender = &state.dependencies.webhooks;
            sender.spawn(Arc::clone(prediction), webhook);
        }
        if let Err(Ok(prediction)) = reply.send(submitted)
            && is_awaited
        {
            prediction.cancel();
        }
    };
    tokio::spawn(accepting.in_current_span());
    let submitted = accepted.await;
    Ok(submitted.map_err(|error| HttpError::internal(&error))??)
}

/// Answers a repeated PUT with the prediction that is already running, or with its drawing when that is
/// finished.
async fn join(
    state: &AppState,
    headers: &HeaderMap,
    running: Arc<Prediction>,
) -> Result<Response, HttpError> {
    record_prediction(running.id());
    if accepts_events(headers) {
        let permit = StreamPermit::take(state)?;
        return Ok(events(state, running, last_event_id(headers), permit));
    }
    if Preference::of(headers) == Preference::Wait
        && let Form::Drawing(choice) = Form::of(headers)?
    {
        return drawing::respond(running.finished().await, choice).await;
    }
    let recorded = state.service().draw_again(&running).await;
    recorded.map_err(|error| HttpError::unavailable(&error))?;
    body(StatusCode::ACCEPTED, running.snapshot()).await
}

/// Waits for the result. If the client disconnects first, this future is dropped, which cancels the
/// prediction.
async fn wait(prediction: &Arc<Prediction>, form: Form) -> Result<Response, HttpError> {
    let _guard = CancelOnDrop(prediction);
    tokio::select! {
        biased;
        finished = prediction.finished() => respond(finished, form).await,
        () = prediction.suspended() => Err(HttpError::Suspended(prediction.id().into())),
    }
}

/// Answers with a prediction in the form that the client asks for.
async fn respond(snapshot: Snapshot, form: Form) -> Result<Response, HttpError> {
    match form {
        Form::Json => body(StatusCode::OK, snapshot).await,
        Form::Drawing(choice) => drawing::respond(snapshot, choice).await,
    }
}

/// Cancels a prediction when its only client disconnects.
struct CancelOnDrop<'a>(&'a Prediction);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        // This has no effect on a prediction that has finished.
        self.0.cancel();
    }
}

async fn body(status: StatusCode, snapshot: Snapshot) -> Result<Response, HttpError> {
    let size: usize = snapshot.output.iter().map(|file| file.len()).sum();
    json_response(status, size, move || serde_json::to_vec(&snapshot)).await
}

/// A response with JSON that has about `size` bytes.
pub(super) async fn json_response(
    status: StatusCode,
    size: usize,
    write: impl FnOnce() -> serde_json::Result<Vec<u8>> + Send + 'static,
) -> Result<Response, HttpError> {
    let written = if size <= MAX_INLINE_BYTES {
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
            SubmitError::AtCapacity => Self::AtCapacity(FullStatus::default()),
            SubmitError::AlreadyRunning(running) => Self::AlreadyRunning(running),
            SubmitError::Closed => Self::Closed,
            SubmitError::StoreFault(reason) => Self::StoreFault { reason },
            SubmitError::Unavailable(cause) => Self::unavailable(&*cause),
        }
    }
}
