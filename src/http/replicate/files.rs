//! Output files under addresses of this server.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::drawing::CONTENT_POLICY;
use crate::http::error::HttpError;
use crate::http::predictions::find;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::output::DataUrl;
use crate::replicate::FileToken;

/// The content of an address never changes, and whoever has the address may keep it.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

/// `GET /v1/files/{id}/{token}/{index}.{extension}`, without the server's token: nobody can guess the address.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path((id, token, name)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let token = FileToken::parse(&token);
    let index = name.split('.').next().and_then(|index| index.parse().ok());
    let (token, index) = token
        .zip(index)
        .filter(|(token, index)| state.dependencies.api.is_file_token(token, &id, *index))
        .ok_or(HttpError::Unauthorized)?;
    if token.has_expired() {
        return Err(Problem::new(
            StatusCode::GONE,
            "Address expired",
            "The address of this file has expired. GET the prediction for a new one.",
        ));
    }
    let found = find(&state, &id).await?;
    let prediction = found.ok_or_else(|| Problem::not_found("File"))?;
    let file = prediction.file(index);
    let contents = file.as_deref().and_then(|url| {
        let data_url = DataUrl::parse(url)?;
        Some((data_url.media_type, data_url.decode().ok()?))
    });
    let (media_type, bytes) = contents.ok_or_else(|| Problem::not_found("File"))?;
    let name = format!("inline; filename=\"{id}-{name}\"");
    let text =
        |text: &str| HeaderValue::from_str(text).map_err(|error| HttpError::internal(&error));
    let headers = [
        (header::CONTENT_TYPE, text(media_type)?),
        (header::CONTENT_DISPOSITION, text(&name)?),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, CACHE),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
