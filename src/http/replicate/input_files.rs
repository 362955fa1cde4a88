//! Files that clients send, to name their addresses as inputs.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::upload_form::read_form;
use crate::http::auth::has_token;
use crate::http::drawing::CONTENT_POLICY;
use crate::http::error::HttpError;
use crate::http::list::parameter;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::replicate::{DownloadPermit, Site, file_message, only_page};
use crate::service::InputFileError;

/// `POST /v1/files`.
pub(super) async fn create(
    State(state): State<Arc<AppState>>,
    site: Site,
    request: Request,
) -> Result<Response, Problem> {
    let files = &state.dependencies.input_files;
    if files.limits().total_bytes == 0 {
        return Err(no_files());
    }
    if let Some(reason) = state.service().store_fault() {
        return Err(HttpError::StoreFault { reason }.into());
    }
    let file = read_form(request, state.config.limits).await?;
    let added = files.add(file).await.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(file_message(&added, &site))).into_response())
}

/// A client that can send an input file as a data URL too does so after this status.
fn no_files() -> Problem {
    Problem::new(
        StatusCode::NOT_IMPLEMENTED,
        "Uploads not implemented",
        "This server keeps no input files. Send the file as a data URL, or its address.",
    )
}

fn refused(error: InputFileError) -> Problem {
    match error {
        InputFileError::Unavailable(cause) => HttpError::unavailable(&cause).into(),
        error => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "Insufficient storage",
            error.to_string(),
        ),
    }
}

/// `GET /v1/files`: the newest first, on one page.
pub(super) async fn list(
    State(state): State<Arc<AppState>>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let files = state.dependencies.input_files.list().await;
    let files = files.map_err(|error| HttpError::unavailable(&error))?;
    let files: Vec<_> = files.iter().map(|file| file_message(file, &site)).collect();
    Ok(Json(only_page(&files)))
}

/// `GET /v1/files/{id}`.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    site: Site,
) -> Result<Json<Value>, Problem> {
    let found = state.dependencies.input_files.find(&id).await;
    let found = found.map_err(|error| HttpError::unavailable(&error))?;
    let file = found.ok_or_else(|| Problem::not_found("File"))?;
    Ok(Json(file_message(&file, &site)))
}

/// `DELETE /v1/files/{id}`.
pub(super) async fn remove(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let removed = state.dependencies.input_files.remove(&id).await;
    if removed.map_err(|error| HttpError::unavailable(&error))? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("File"))
    }
}

/// `GET /v1/files/{id}/download`, with the server's token or a signature.
pub(super) async fn download(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_permission(&state, &id, &uri, &headers)?;
    let read = state.dependencies.input_files.read(&id).await;
    let read = read.map_err(|error| HttpError::unavailable(&error))?;
    let (file, content) = read.ok_or_else(|| Problem::not_found("File"))?;
    let text =
        |text: &str| HeaderValue::from_str(text).map_err(|error| HttpError::internal(&error));
    let name: String = byte_serialize(file.name.as_bytes()).collect();
    // A browser saves the file instead of showing it: it is not from this server.
    let disposition = format!("attachment; filename*=UTF-8''{}", name.replace('+', "%20"));
    let headers = [
        (header::CONTENT_TYPE, text(&file.media_type)?),
        (header::CONTENT_DISPOSITION, text(&disposition)?),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    Ok((headers, Body::from(content)).into_response())
}

/// Checks that a file may be downloaded.
fn check_permission(
    state: &AppState,
    id: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let token = state.config.access_token.as_ref();
    if token.is_none_or(|token| has_token(headers, token)) {
        return Ok(());
    }
    let permit = permit(uri).filter(|permit| permit.is_for(id, &state.dependencies.api));
    let permit = permit.ok_or(HttpError::Unauthorized)?;
    if permit.has_expired() {
        return Err(Problem::new(
            StatusCode::GONE,
            "Address expired",
            "The address of this file has expired, and so has the file.",
        ));
    }
    Ok(())
}

fn permit(uri: &Uri) -> Option<DownloadPermit> {
    Some(DownloadPermit {
        owner: parameter(uri, "owner")?.into_owned(),
        expiry: parameter(uri, "expiry")?.parse().ok()?,
        signature: parameter(uri, "signature")?.into_owned(),
    })
}
