//! Errors under `/v1`, as problem details (RFC 9457). Replicate's clients read the text in `detail`.

use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::HttpError;
use crate::cog::Detail;

/// The type of problem details.
const MEDIA_TYPE: &str = "application/problem+json";

/// The maximum size of an error in another form, in bytes.
const MAX_TEXT: usize = 10_000;

/// The folder whose errors are problem details.
const FOLDER: &str = "/v1/";

/// How long clients should wait before they ask a busy server again, in seconds. A drawing takes about that long.
const BUSY_SECONDS: u32 = 10;

/// The same for a server that is not ready, or is being started again.
const STARTING_SECONDS: u32 = 5;

/// Why a request is rejected, for Replicate's clients.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
    /// What is wrong with which parts of the request.
    invalid_fields: Vec<Value>,
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem with a title and an explanation.
    pub(super) fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title.to_owned(),
            detail: detail.into(),
            invalid_fields: Vec::new(),
            retry_after: None,
        }
    }

    /// Something that does not exist; `what` begins a sentence.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            &format!("{what} not found"),
            format!("The requested {} could not be found.", what.to_lowercase()),
        )
    }

    /// A method that a resource does not have.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            "This resource does not have that method. GET /v1/openapi.json describes what this server has of Replicate's API.",
        )
    }

    /// A path that does not exist.
    pub(super) fn unknown_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Resource not found",
            "The requested resource could not be found. GET /v1/openapi.json describes what this server has of Replicate's API.",
        )
    }

    /// Parts of the request that are not valid.
    fn invalid(details: &[Detail]) -> Self {
        let lines = details
            .iter()
            .map(|detail| format!("- {}: {}\n", field(detail), detail.msg));
        let fields = details.iter().map(|detail| {
            json!({ "type": detail.kind, "field": field(detail), "description": detail.msg })
        });
        Self {
            invalid_fields: fields.collect(),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Input validation failed",
                lines.collect::<String>(),
            )
        }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

/// The part of the request that an error is about, as in `input.seed`.
fn field(detail: &Detail) -> String {
    let path = detail.loc.split_first().map_or(&[][..], |(_, path)| path);
    let path: Vec<_> = path.iter().filter(|part| *part != "__root__").collect();
    let path: Vec<_> = path.into_iter().map(String::as_str).collect();
    path.join(".")
}

impl From<HttpError> for Problem {
    fn from(error: HttpError) -> Self {
        let status = error.status();
        let title = status.canonical_reason().unwrap_or("Error");
        match &error {
            HttpError::Invalid(details) => Self::invalid(details),
            HttpError::NotFound => Self::not_found("Prediction"),
            HttpError::Unauthorized => Self::new(
                status,
                "Unauthenticated",
                "You did not pass a valid authentication token",
            ),
            HttpError::AtCapacity(_) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                format!("All places in the queue are taken. Try again in {BUSY_SECONDS} s."),
            )
            .retry_after(BUSY_SECONDS),
            HttpError::TooManySubscribers => {
                Self::new(status, "Too many requests", error.to_string()).retry_after(BUSY_SECONDS)
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                Self::new(status, title, error.to_string()).retry_after(STARTING_SECONDS)
            }
            _ => Self::new(status, title, error.to_string()),
        }
    }
}

impl From<Detail> for Problem {
    fn from(detail: Detail) -> Self {
        Self::invalid(&[detail])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "title": self.title,
            "detail": self.detail,
            "status": self.status.as_u16(),
        });
        if !self.invalid_fields.is_empty() {
            body["invalid_fields"] = self.invalid_fields.into();
        }
        let content_type = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, content_type, body.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// Makes a problem of an error in another form, such as those of axum about a path or a body.
pub(super) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || content_type.is_some_and(|found| found == MEDIA_TYPE) {
        return response;
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let text = to_bytes(response.into_body(), MAX_TEXT).await;
    let text = text
        .ok()
        .and_then(|text| String::from_utf8(text.into()).ok());
    let detail = text.filter(|text| !text.is_empty());
    let detail = detail.unwrap_or_else(|| title.to_owned());
    Problem::new(status, title, detail).into_response()
}

/// The response to a request that is rejected before it reaches a handler.
pub(super) fn refuse(path: &str, error: HttpError) -> Response {
    if path.starts_with(FOLDER) {
        Problem::from(error).into_response()
    } else {
        error.into_response()
    }
}
