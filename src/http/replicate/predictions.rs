//! Starts predictions, shows them, and cancels them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::create_request::CreateRequest;
use super::headers::{Wait, cancel_after, idempotency_key, is_repetition};
use super::models::find_model;
use super::response::{accepted, message};
use super::site::site_of;
use crate::cog::Detail;
use crate::delivery::webhook::Webhook;
use crate::hex::lower_hex;
use crate::http::error::HttpError;
use crate::http::list;
use crate::http::output_budget::check_output;
use crate::http::predictions::{accept, dispatch, find, json_response};
use crate::http::problem::Problem;
use crate::http::read_inputs::{read_inputs, with_inputs};
use crate::http::request_log::record_prediction;
use crate::http::state::AppState;
use crate::replicate::{Message, MessageList, ModelEntry, Site};
use crate::secret::framed;
use crate::service::{
    CancelPolicy, Destination, Dispatch, ListQuery, NamedModel, Origin, OutputShape, Prediction,
    Priority, RestartPolicy, Submission,
};

/// How long the answer to a request to cancel waits for the end, which takes a step.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// The length of a model's version in hexadecimal digits.
const VERSION_LENGTH: usize = 64;

/// `POST /v1/predictions`: the model is the one of that `version`.
pub(super) async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::read(&state, request).await?;
    let version = call
        .body
        .version
        .as_deref()
        .ok_or_else(|| Problem::from(Detail::body("version", "version is required")))?;
    let model = find_version(&state, version)?;
    call.start(&state, &model, None).await
}

/// `POST /v1/models/{owner}/{name}/predictions`.
pub(super) async fn create_for_model(
    State(state): State<Arc<AppState>>,
    Path((owner, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let model = find_model(&state, "Model", &owner, &name)?;
    Call::read(&state, request)
        .await?
        .start(&state, &model, None)
        .await
}

/// `POST /v1/deployments/{owner}/{name}/predictions`: every model has a deployment of its name.
pub(super) async fn create_for_deployment(
    State(state): State<Arc<AppState>>,
    Path((owner, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let model = find_model(&state, "Deployment", &owner, &name)?;
    let deployment = Some(model.name.to_string());
    Call::read(&state, request)
        .await?
        .start(&state, &model, deployment)
        .await
}

/// The model of a version: 64 hexadecimal digits, the name of a model, or both with a colon in between.
fn find_version(state: &AppState, text: &str) -> Result<ModelEntry, Problem> {
    let api = &state.dependencies.api;
    let (name, version) = match text.split_once(':') {
        Some((name, version)) => (Some(name), Some(version)),
        None if text.contains('/') => (Some(text), None),
        None => (None, Some(text)),
    };
    let mut models = ModelEntry::all(&api.model).into_iter();
    let found = match (name, version) {
        (_, Some(version)) => {
            let common = state.service().model_version().ok_or(HttpError::NotReady)?;
            let is_name =
                |model: &ModelEntry| name.is_none_or(|name| model.name.to_string() == name);
            models.find(|model| is_name(model) && model.version(&common) == version)
        }
        (name, None) => models.find(|model| Some(&*model.name.to_string()) == name),
    };
    found.ok_or_else(|| unknown_version(state, text))
}

fn unknown_version(state: &AppState, text: &str) -> Problem {
    let name = &state.dependencies.api.model;
    let shown: String = text.chars().take(VERSION_LENGTH).collect();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Invalid version or not permitted",
        format!(
            "This server has no version `{shown}`. Its models are {name} and {}; GET /v1/models/{name}/versions lists the versions.",
            name.finished_only()
        ),
    )
}

/// A request for a prediction.
struct Call {
    site: Site,
    headers: HeaderMap,
    body: CreateRequest,
    arrived: Instant,
}

impl Call {
    async fn read(state: &AppState, request: Request) -> Result<Self, Problem> {
        let arrived = Instant::now();
        let headers = request.headers().clone();
        Ok(Self {
            site: site_of(state, request.uri(), &headers),
            body: CreateRequest::read(state, request).await?,
            headers,
            arrived,
        })
    }

    /// Starts a prediction of a model, or continues with the one that this request has started before.
    async fn start(
        mut self,
        state: &Arc<AppState>,
        model: &ModelEntry,
        deployment: Option<String>,
    ) -> Result<Response, Problem> {
        let raw = Arc::new(self.body.inputs()?);
        let named = NamedModel {
            name: model.name.to_string(),
            deployment,
            output: model.output,
        };
        let webhook = self.body.webhook(state, &self.headers, &self.site)?;
        let deadline = self.deadline()?;
        let digest = self.digest(&named, &raw, webhook.as_ref()).await?;
        let id = self.idempotent_id(state)?;
        if let Some(earlier) = self.earlier(state, id.as_deref(), &digest).await? {
            return self.answer(state, earlier, digest).await;
        }
        let submission = Submission {
            origin: Origin {
                model: Some(named),
                version: None,
                deadline,
                request_digest: id.is_some().then(|| digest.clone()),
            },
            id,
            receiver: webhook.as_ref().map(Webhook::to_receiver),
            dispatch: dispatch(&self.headers, Priority::default()),
            ..submission(state, &raw, model.output).await?
        };
        match accept(state, submission, webhook, false).await {
            Ok(prediction) => self.answer(state, prediction, digest).await,
            // The same request has come a second time at once.
            Err(HttpError::AlreadyRunning(earlier)) => {
                check_digest(&earlier, &digest)?;
                self.answer(state, earlier, digest).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A digest of what the client asks for, which a repetition has too.
    async fn digest(
        &self,
        model: &NamedModel,
        raw: &Arc<Map<String, Value>>,
        webhook: Option<&Webhook>,
    ) -> Result<String, HttpError> {
        let receiver = webhook.map(Webhook::to_receiver);
        let receiver = receiver.as_ref().map_or("", |receiver| receiver.as_str());
        let deployment = model.deployment.as_deref().unwrap_or_default();
        let mut digest = Sha256::new_with_prefix(framed(&[
            self.caller(),
            model.name.as_bytes(),
            deployment.as_bytes(),
            receiver.as_bytes(),
        ]));
        with_inputs(raw, move |raw| {
            for (name, value) in raw {
                digest.update(format!("{name:?}: {value}\n"));
            }
            lower_hex(&digest.finalize())
        })
        .await
    }

    /// The token of the caller, which may not be a text; empty without one.
    fn caller(&self) -> &[u8] {
        let authorization = self.headers.get(header::AUTHORIZATION);
        authorization.map_or(&[], HeaderValue::as_bytes)
    }

    /// The id of the prediction of this request, if it has an idempotency key: the same for each repetition, also after a
    /// restart of the server.
    fn idempotent_id(&self, state: &AppState) -> Result<Option<String>, Problem> {
        let key = idempotency_key(&self.headers)?;
        Ok(key.map(|key| {
            let parts = ["request".as_bytes(), self.caller(), key.as_bytes()];
            state.dependencies.api.token(&parts)
        }))
    }

    /// The prediction that this request has started before, if it is a repetition.
    async fn earlier(
        &self,
        state: &AppState,
        id: Option<&str>,
        digest: &str,
    ) -> Result<Option<Arc<Prediction>>, Problem> {
        let left = is_repetition(&self.headers)
            .then(|| state.unanswered.take(digest))
            .flatten();
        let Some(known) = id.map(str::to_owned).or(left) else {
            return Ok(None);
        };
        let found = state.service().find(&known).await;
        let found = found.map_err(|error| HttpError::unavailable(&error))?;
        if let (Some(found), true) = (&found, id.is_some()) {
            check_digest(found, digest)?;
        }
        Ok(found)
    }

    fn deadline(&self) -> Result<Option<i64>, Problem> {
        let after = cancel_after(&self.headers)?;
        let now = Timestamp::now().as_millisecond();
        Ok(after.map(|after| now + after.as_millis() as i64))
    }

    /// Answers, and remembers the prediction if the client leaves before that.
    async fn answer(
        self,
        state: &Arc<AppState>,
        prediction: Arc<Prediction>,
        digest: String,
    ) -> Result<Response, Problem> {
        record_prediction(prediction.id());
        let mut waiting = Waiting {
            state,
            unanswered: Some((digest, prediction.id().to_owned())),
        };
        let wait = Wait::of(&self.headers, state.config.waits.prefer_wait);
        let response = accepted(&prediction, self.site, wait, self.arrived).await;
        waiting.unanswered = None;
        response
    }
}

/// A client that waits for its answer.
struct Waiting<'a> {
    state: &'a AppState,
    /// The digest of the request and the id of the prediction, until the client is answered.
    unanswered: Option<(String, String)>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some((digest, id)) = self.unanswered.take() {
            self.state.unanswered.add(digest, id);
        }
    }
}

/// Checks that a prediction was started by the same request.
fn check_digest(prediction: &Prediction, digest: &str) -> Result<(), Problem> {
    if prediction.origin().request_digest.as_deref() == Some(digest) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Idempotency key used before",
        "The Idempotency-Key belongs to another request.",
    ))
}

/// What to draw, from the inputs of a request.
async fn submission(
    state: &AppState,
    raw: &Arc<Map<String, Value>>,
    output: OutputShape,
) -> Result<Submission, Problem> {
    let (input, notes) = read_inputs(state, raw).await?;
    if output == OutputShape::FinishedDrawing && input.outputs() > 1 {
        let name = &state.dependencies.api.model;
        let message = format!("the output of this model is one file; {name} makes several");
        return Err(Detail::input("num_outputs", message).into());
    }
    let destination = state.dependencies.destination.clone();
    if matches!(destination, Destination::Inline) {
        check_output(&input, state.config.limits.output_bytes)?;
    }
    Ok(Submission {
        id: None,
        input,
        notes,
        destination,
        cancel_policy: CancelPolicy::OnRequest,
        restart_policy: RestartPolicy::DrawAgain,
        receiver: None,
        dispatch: Dispatch::default(),
        origin: Origin::default(),
    })
}

/// `GET /v1/predictions/{id}`.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    site: Site,
) -> Result<Response, Problem> {
    let prediction = find(&state, &id).await?.ok_or(HttpError::NotFound)?;
    message(StatusCode::OK, prediction.snapshot(), site).await
}

/// `POST /v1/predictions/{id}/cancel`: the prediction, also if it has ended.
pub(super) async fn cancel(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    site: Site,
) -> Result<Response, Problem> {
    let prediction = find(&state, &id).await?.ok_or(HttpError::NotFound)?;
    if !prediction.status().is_terminal() {
        let recorded = state.service().cancel(&prediction).await;
        recorded.map_err(|error| HttpError::unavailable(&error))?;
        let _ = timeout(CANCEL_TIMEOUT, prediction.finished()).await;
    }
    message(StatusCode::OK, prediction.snapshot(), site).await
}

/// `GET /v1/predictions`: the newest first, page by page, without their output.
pub(super) async fn list(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    site: Site,
) -> Result<Response, Problem> {
    let query = ListQuery {
        after: list::cursor(&uri)?,
        limit: list::PAGE,
        ..ListQuery::default()
    };
    let page = state.service().list(&query).await;
    let page = page.map_err(|error| HttpError::unavailable(&error))?;
    let next = page
        .next
        .map(|cursor| site.at(&format!("/v1/predictions?cursor={cursor}")));
    let size = page.predictions.iter().map(|state| state.logs.len()).sum();
    let write = move || {
        let results = page.predictions.iter();
        serde_json::to_vec(&MessageList {
            next,
            results: results.map(|state| Message::new(state, &site)).collect(),
        })
    };
    Ok(json_response(StatusCode::OK, size, write).await?)
}
