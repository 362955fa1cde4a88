//! The interactive documentation: Swagger UI, with all its files built in.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use utoipa_swagger_ui::{Config, Url};

use crate::cog::openapi;
use crate::replicate::openapi as replicate;

/// The page may load nothing from other hosts. The scripts of Swagger UI set inline styles, and its
/// icons are data URLs.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// `/docs`, `/docs/` and the files below it.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        // A proxy may have removed the beginning of the path, so the address is relative to that of the page.
        .route("/docs", get(async || Redirect::permanent("docs/")))
        .route("/docs/", get(async || asset("index.html")))
        .route("/docs/openapi.json", get(document))
        .route("/docs/replicate.json", get(replicate_document))
        .route(
            "/docs/{file}",
            get(async |Path(name): Path<String>| asset(&name)),
        )
}

/// The complete document, including the routes that Cog does not have.
async fn document() -> Json<Value> {
    Json(shown(openapi::complete_document()))
}

/// The document of what Replicate's clients use.
async fn replicate_document() -> Json<Value> {
    Json(shown(replicate::replicate_document()))
}

/// A document for the page: requests go to where it comes from, also behind a proxy that has removed the beginning of the path.
fn shown(mut document: Value) -> Value {
    document["servers"] = json!([{ "url": ".." }]);
    document
}

fn asset(name: &str) -> Response {
    // By default Swagger UI would ask a service on the internet to validate the document.
    let documents = [
        Url::with_primary("clipdraw", "openapi.json", true),
        Url::new("/v1, for clients of Replicate", "replicate.json"),
    ];
    let config = Config::new(documents).validator_url("none");
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
            tracing::error!(%error, name, "a file of the documentation cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn content_type(text: &str) -> HeaderValue {
    const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
    HeaderValue::from_str(text).unwrap_or(OCTET_STREAM)
}
