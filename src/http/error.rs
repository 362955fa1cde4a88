//! Every reason to reject a request, and the response for it. Status codes and bodies are those of
//! Cog's server, where it has the same case.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::cog::{Detail, Status};
use crate::errors::chain;
use crate::inputs::InputErrors;
use crate::output::OutputFormat;
use crate::service::Prediction;

/// Why a request is rejected.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The body cannot be read. The response is a line of text, that of axum and so of Cog's server.
    #[error("{}", .0.body_text())]
    Body(#[from] JsonRejection),
    /// The body is compressed. The response is a line of text, as for another content type than JSON.
    #[error("The body has the content encoding `{0}`; send it without compression")]
    ContentEncoding(String),
    /// Parts of the request are not valid.
    #[error("the request is not valid")]
    Invalid(Vec<Detail>),
    /// CLIP is not loaded, or could not be.
    #[error(
        "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
    )]
    NotReady,
    /// The server accepts no more predictions.
    #[error("The server is shutting down.")]
    Closed,
    /// The store cannot be written.
    #[error(
        "The server cannot accept predictions at the moment: its store cannot be written ({reason})."
    )]
    StoreFault {
        /// Why, for the caller.
        reason: String,
    },
    /// The store could not read or write what the request needs.
    #[error("The server's store is not available at the moment: {reason}.")]
    StoreUnavailable {
        /// Why, for the caller.
        reason: String,
    },
    /// The server stops while the client waits, and continues with the prediction after its next start.
    #[error(
        "The server is shutting down. The prediction {0} is continued after its next start, or by another server."
    )]
    Suspended(Arc<str>),
    /// All slots are taken and the queue is full.
    #[error("At capacity - all prediction slots busy")]
    AtCapacity(FullStatus),
    /// A prediction with this ID has not finished yet.
    #[error("A prediction with the id {id} is running already. PUT /predictions/{id} joins it.", id = .0.id())]
    AlreadyRunning(Arc<Prediction>),
    /// There is no prediction with this ID.
    #[error("Prediction not found")]
    NotFound,
    /// There is no unfinished prediction with this ID to cancel.
    #[error("there is nothing to cancel")]
    NothingToCancel,
    /// Too many connections are open.
    #[error("Too many connections. Try again later; /health-check and /ready are answered.")]
    TooManyConnections,
    /// Too many event streams are open.
    #[error("Too many stream subscribers")]
    TooManySubscribers,
    /// Cog's trainings have no event stream.
    #[error("Training endpoints do not support streaming responses.")]
    TrainingStream,
    /// The client accepts only images, and none in an available format.
    #[error(
        "There is no drawing in a format that Accept names, only as {}.",
        media_types()
    )]
    NoSuchFormat,
    /// The drawing has a format that the client does not accept.
    #[error("The drawing is of the type {}. Ask for that type, or for another `output_format`.", drawn.media_type())]
    OtherFormat {
        /// The format of the drawing.
        drawn: OutputFormat,
    },
    /// The drawing was asked for and is not finished.
    #[error("The drawing is not finished: prediction {id} is {}.", status.as_str())]
    Unfinished {
        /// The prediction.
        id: Arc<str>,
        /// Its status.
        status: Status,
    },
    /// The drawing was asked for, and its prediction was cancelled.
    #[error("There is no finished drawing: prediction {id} was canceled.")]
    DrawingCanceled {
        /// The prediction.
        id: Arc<str>,
    },
    /// The drawing was asked for, and its prediction failed.
    #[error("{message}")]
    DrawingFailed {
        /// The prediction.
        id: Arc<str>,
        /// Why it failed.
        message: Arc<str>,
    },
    /// The access token is missing or wrong.
    #[error("A valid access token is needed: Authorization: Bearer TOKEN")]
    Unauthorized,
    /// The request is for another host; the field is its name.
    #[error("This server does not answer to the host name `{0}`. Allow it with --allow-host.")]
    ForeignHost(String),
    /// A page of another origin made the request.
    #[error("A page of another origin sent this request. Allow that origin with --cors-origin.")]
    ForeignOrigin,
    /// A bug in this program.
    #[error("Internal server error")]
    Internal,
}

/// The status of a response to a request for a prediction when all slots and all places in the queue are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FullStatus {
    /// 409, as in Cog.
    #[default]
    Conflict,
    /// 429, which clients and proxies know as a request to come again later.
    TooManyRequests,
}

impl From<InputErrors> for HttpError {
    fn from(errors: InputErrors) -> Self {
        Self::Invalid(Detail::of_inputs(&errors))
    }
}

impl From<Detail> for HttpError {
    fn from(detail: Detail) -> Self {
        Self::Invalid(vec![detail])
    }
}

impl HttpError {
    /// Logs the cause, which the caller does not get to see.
    pub(super) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "a response could not be written");
        Self::Internal
    }

    /// Logs why the store failed, with the causes of that, which the caller does not get to see.
    pub(super) fn unavailable(cause: &dyn std::error::Error) -> Self {
        tracing::error!(cause = chain(cause), "the store failed");
        Self::StoreUnavailable {
            reason: cause.to_string(),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Body(rejection) => rejection.status(),
            Self::ContentEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotReady
            | Self::Closed
            | Self::TooManyConnections
            | Self::StoreFault { .. }
            | Self::StoreUnavailable { .. }
            | Self::Suspended(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::AtCapacity(FullStatus::Conflict)
            | Self::AlreadyRunning(_)
            | Self::Unfinished { .. }
            | Self::DrawingCanceled { .. } => StatusCode::CONFLICT,
            Self::NotFound | Self::NothingToCancel => StatusCode::NOT_FOUND,
            Self::TooManySubscribers | Self::AtCapacity(FullStatus::TooManyRequests) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::TrainingStream | Self::NoSuchFormat | Self::OtherFormat { .. } => {
                StatusCode::NOT_ACCEPTABLE
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ForeignHost(_) | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::DrawingFailed { .. } | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The number of seconds after which the client may try again.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Self::TooManyConnections | Self::AtCapacity(FullStatus::TooManyRequests) => {
                Some(HeaderValue::from_static("1"))
            }
            Self::StoreFault { .. } | Self::StoreUnavailable { .. } => {
                Some(HeaderValue::from_static("10"))
            }
            _ => None,
        }
    }

    /// The status of the prediction whose drawing was asked for.
    fn prediction_status(&self) -> Status {
        match self {
            Self::Unfinished { status, .. } => *status,
            Self::DrawingCanceled { .. } => Status::Canceled,
            _ => Status::Failed,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Invalid(details) => json!({ "detail": details }),
            Self::NothingToCancel => json!({}),
            Self::NotReady
            | Self::Closed
            | Self::TooManyConnections
            | Self::StoreFault { .. }
            | Self::StoreUnavailable { .. }
            | Self::AtCapacity(_)
            | Self::AlreadyRunning(_) => {
                json!({ "error": self.to_string(), "status": "failed" })
            }
            Self::Unfinished { id, .. }
            | Self::DrawingCanceled { id }
            | Self::DrawingFailed { id, .. } => {
                let status = self.prediction_status();
                json!({ "error": self.to_string(), "id": &**id, "status": status })
            }
            _ => json!({ "error": self.to_string() }),
        }
    }
}

/// The media types of all formats.
fn media_types() -> String {
    let types: Vec<_> = OutputFormat::ALL
        .iter()
        .map(|format| format.media_type())
        .collect();
    types.join(" and ")
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        if let Self::Body(rejection) = self {
            return rejection.into_response();
        }
        if let Self::ContentEncoding(_) = self {
            return (self.status(), self.to_string()).into_response();
        }
        let mut response = (self.status(), Json(self.json())).into_response();
        if let Self::Unauthorized = self {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
