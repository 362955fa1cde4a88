//! The models of this server, and what else its clients ask for.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::error::HttpError;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::replicate::openapi::replicate_document;
use crate::replicate::{self, Catalog, ModelEntry, Site, only_page};

/// The maximum size of the words of a search in bytes.
const MAX_WORDS: usize = 10_000;

/// The maximum time for them.
const WORDS_TIMEOUT: Duration = Duration::from_secs(10);

/// The models as they are, once the model is loaded.
async fn catalog<'a>(state: &AppState, site: &'a Site) -> Result<Catalog<'a>, Problem> {
    let service = state.service();
    let model = service.readiness().model().ok_or(HttpError::NotReady)?;
    Ok(Catalog {
        site,
        version: model.version(),
        created_at: service.health().await.setup.started_at,
        device: model.device.clone(),
    })
}

/// The model of that name.
///
/// # Errors
/// If there is none; `resource` is what the client has asked for.
pub(super) fn find_model(
    state: &AppState,
    resource: &str,
    owner: &str,
    name: &str,
) -> Result<ModelEntry, Problem> {
    ModelEntry::find(&state.dependencies.api.model, owner, name)
        .ok_or_else(|| Problem::not_found(resource))
}

/// `GET /v1/models/{owner}/{name}`.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path((owner, name)): Path<(String, String)>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let model = find_model(&state, "Model", &owner, &name)?;
    Ok(Json(catalog(&state, &site).await?.model(&model)))
}

/// `GET /v1/models/{owner}/{name}/versions`.
pub(super) async fn versions(
    State(state): State<Arc<AppState>>,
    Path((owner, name)): Path<(String, String)>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let model = find_model(&state, "Model", &owner, &name)?;
    let version = catalog(&state, &site).await?.version(&model);
    Ok(Json(only_page(&[version])))
}

/// `GET /v1/models/{owner}/{name}/versions/{version}`.
pub(super) async fn version(
    State(state): State<Arc<AppState>>,
    Path((owner, name, version)): Path<(String, String, String)>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let model = find_model(&state, "Model", &owner, &name)?;
    let found = catalog(&state, &site).await?.version(&model);
    if found["id"] == version.as_str() {
        Ok(Json(found))
    } else {
        Err(Problem::not_found("Version"))
    }
}

/// `GET /v1/models`.
pub(super) async fn list(
    State(state): State<Arc<AppState>>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    models_with(&state, &site, "").await
}

/// `QUERY /v1/models`: the models whose description has all the words of the body.
pub(super) async fn search(
    State(state): State<Arc<AppState>>,
    site: Site,
    request: Request,
) -> Result<Json<Value>, Problem> {
    if request.method().as_str() != "QUERY" {
        return Err(Problem::method_not_allowed());
    }
    let body = timeout(WORDS_TIMEOUT, to_bytes(request.into_body(), MAX_WORDS)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    // One client sends the words as a JSON text, the others as they are.
    let words: String = serde_json::from_slice(&body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
    models_with(&state, &site, &words).await
}

async fn models_with(state: &AppState, site: &Site, words: &str) -> Result<Json<Value>, Problem> {
    let catalog = catalog(state, site).await?;
    let models = ModelEntry::all(&state.dependencies.api.model).into_iter();
    let models = models.filter(|model| model.matches(words));
    let models: Vec<_> = models.map(|model| catalog.model(&model)).collect();
    Ok(Json(only_page(&models)))
}

/// `GET /v1/deployments`: one for each model.
pub(super) async fn deployments(
    State(state): State<Arc<AppState>>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let catalog = catalog(&state, &site).await?;
    let models = ModelEntry::all(&state.dependencies.api.model).into_iter();
    let models: Vec<_> = models.map(|model| catalog.deployment(&model)).collect();
    Ok(Json(only_page(&models)))
}

/// `GET /v1/deployments/{owner}/{name}`.
pub(super) async fn deployment(
    State(state): State<Arc<AppState>>,
    Path((owner, name)): Path<(String, String)>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let model = find_model(&state, "Deployment", &owner, &name)?;
    Ok(Json(catalog(&state, &site).await?.deployment(&model)))
}

/// `GET /v1/hardware`.
pub(super) async fn hardware(
    State(state): State<Arc<AppState>>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    Ok(Json(catalog(&state, &site).await?.hardware()))
}

/// `GET /v1/account`: the owner of the models.
pub(super) async fn account(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(replicate::account(&state.dependencies.api.model))
}

/// `GET /v1/collections` and `GET /v1/trainings`: there are none.
pub(super) async fn nothing() -> Json<Value> {
    Json(only_page(&[]))
}

/// `GET /v1/webhooks/default/secret`: what receivers verify webhooks with.
pub(super) async fn webhook_secret(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(json!({ "key": state.dependencies.api.webhook_key().expose_text() }))
}

/// `GET /v1/openapi.json`, with the address of this server, which generators of clients write into them.
pub(super) async fn openapi_document(site: Site) -> Json<Value> {
    let mut document = replicate_document();
    document["servers"] = json!([{ "url": site.base() }]);
    Json(document)
}
