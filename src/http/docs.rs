//! The page that explains the interface and tries it out, with everything it needs built in.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa_swagger_ui::Config;

use crate::cog::openapi;

/// What the page may load: nothing from elsewhere. Swagger UI sets styles from its scripts and
/// draws its icons from data URLs.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// `/docs`, `/docs/` and the files below it.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async || file("index.html")))
        .route("/docs/openapi.json", get(document))
        .route(
            "/docs/{file}",
            get(async |Path(name): Path<String>| file(&name)),
        )
}

/// The document with every route, also those that Cog's does not name.
async fn document() -> Json<serde_json::Value> {
    Json(openapi::complete_document())
}

fn file(name: &str) -> Response {
    // Without the address Swagger UI would ask a service on the internet to check the document.
    let config = Config::from("openapi.json").validator_url("none");
    match utoipa_swagger_ui::serve(name, Arc::new(config)) {
        Ok(Some(file)) => {
            let headers = [
                (header::CONTENT_TYPE, content_type(&file.content_type)),
                (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, name, "a file of the documentation cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn content_type(text: &str) -> HeaderValue {
    const ANY: HeaderValue = HeaderValue::from_static("application/octet-stream");
    HeaderValue::from_str(text).unwrap_or(ANY)
}
