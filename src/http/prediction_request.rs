//! The body of a prediction request, parsed the way Cog parses it.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::bounded_json::{BoundedValue, IgnoredStrings};
use super::error::HttpError;
use super::misplaced::MisplacedInputs;
use crate::cog::Detail;
use crate::delivery::webhook::{EventFilter, WebhookOutput};
use crate::service::Priority;

/// The maximum length of a prediction's ID in characters.
const MAX_ID_LENGTH: usize = 128;

/// Bodies up to this size in bytes are parsed on the async thread; larger ones would block other
/// requests for too long.
const MAX_INLINE_BYTES: usize = 1 << 18;

/// Some clients write it before JSON text, where parsers may ignore it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The body of a prediction request. Unknown fields are ignored, unless they are misplaced inputs.
///
/// The fields are in the order of Cog, which also accepts a JSON array of their values. The name of
/// the type appears in error messages.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PredictionRequest {
    /// The ID that the client chose.
    pub(super) id: Option<String>,
    #[serde(default)]
    input: BoundedValue,
    /// Checked as in Cog and otherwise ignored: it may contain secrets, and no input needs it.
    #[serde(default)]
    #[serde(rename = "context")]
    _context: IgnoredStrings,
    webhook: Option<String>,
    /// The events that are sent to the webhook; all of them by default.
    #[serde(default)]
    pub(super) webhook_events_filter: EventFilter,
    #[serde(default)]
    output_file_prefix: Option<BoundedValue>,
    /// How much of the output the webhook gets; the server's setting by default.
    pub(super) webhook_output: Option<WebhookOutput>,
    /// The priority among the predictions of all callers, where several machines share a queue; normal by default.
    pub(super) priority: Option<Priority>,
}

impl PredictionRequest {
    /// Reads the body of a request. `limit` is the maximum time between two chunks of it. Without a
    /// `Content-Type` the body is ignored, as in Cog.
    ///
    /// # Errors
    /// If the body is compressed, too large, too slow, not JSON, of the wrong shape, or has inputs beside `input`.
    pub(super) async fn read(request: Request, limit: Duration) -> Result<Self, HttpError> {
        if has_json_content_type(request.headers()).await? {
            read_json(request, limit).await
        } else {
            Ok(Self::default())
        }
    }

    /// Takes the raw inputs out of the request; a missing value or `null` means none.
    ///
    /// # Errors
    /// If they are not an object.
    pub(super) fn inputs(&mut self) -> Result<Map<String, Value>, Detail> {
        raw_inputs(self.input.0.take())
    }

    /// The webhook's address; some clients send an empty string for none.
    pub(super) fn webhook(&self) -> Option<&str> {
        self.webhook
            .as_deref()
            .filter(|address| !address.is_empty())
    }

    /// The address that output files are uploaded to, if they are not to be part of the response.
    ///
    /// # Errors
    /// If it is not a string.
    pub(super) fn output_file_prefix(&self) -> Result<Option<&str>, Detail> {
        match &self.output_file_prefix {
            None => Ok(None),
            Some(BoundedValue(Value::String(prefix))) => Ok(Some(prefix)
                .filter(|prefix| !prefix.is_empty())
                .map(String::as_str)),
            Some(_) => Err(Detail::body(
                "output_file_prefix",
                "it must be a web address",
            )),
        }
    }
}

/// The raw inputs in the field `input`; a missing value or `null` means none.
///
/// # Errors
/// If they are not an object.
pub(super) fn raw_inputs(input: Value) -> Result<Map<String, Value>, Detail> {
    match input {
        Value::Null => Ok(Map::new()),
        Value::Object(inputs) => Ok(inputs),
        other => Err(Detail::root(&other)),
    }
}

/// Reads a body with JSON, whatever its `Content-Type` is. `limit` is the maximum time between two chunks of it.
///
/// # Errors
/// If the body is compressed, too large, too slow, not JSON, of the wrong shape, or has inputs beside `input`.
pub(super) async fn read_json<T: DeserializeOwned + Send + 'static>(
    request: Request,
    limit: Duration,
) -> Result<T, HttpError> {
    let (parts, body) = request.into_parts();
    if let Some(encoding) = content_encoding(&parts.headers) {
        return Err(HttpError::ContentEncoding(encoding));
    }
    let bytes = collect(parts, body, limit).await?;
    if bytes.len() <= MAX_INLINE_BYTES {
        parse(&bytes)
    } else {
        spawn_blocking(move || parse(&bytes))
            .await
            .map_err(|error| HttpError::internal(&error))?
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let Json(read) = Json::from_bytes(bytes)?;
    let misplaced = MisplacedInputs::find(bytes).into_errors();
    if misplaced.is_empty() {
        Ok(read)
    } else {
        Err(HttpError::Invalid(misplaced))
    }
}

/// Whether the body is to be parsed at all. This runs axum's own `Content-Type` rule on a tiny body.
pub(super) async fn has_json_content_type(headers: &HeaderMap) -> Result<bool, JsonRejection> {
    let mut probe = Request::new(Body::from("null"));
    if let Some(content_type) = headers.get(header::CONTENT_TYPE) {
        probe
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type.clone());
    }
    let read = <Json<IgnoredAny> as OptionalFromRequest<()>>::from_request(probe, &()).await;
    Ok(read?.is_some())
}

/// The compression of a body, if it is compressed.
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_ENCODING)?;
    let encoding = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// Collects the bytes of a body, up to the router's limit.
async fn collect(parts: Parts, body: Body, limit: Duration) -> Result<Bytes, HttpError> {
    let chunks = stream::unfold(body.into_data_stream(), move |mut chunks| async move {
        match timeout(limit, chunks.next()).await {
            Ok(Some(chunk)) => Some((chunk, chunks)),
            Ok(None) => None,
            Err(elapsed) => Some((Err(axum::Error::new(elapsed)), chunks)),
        }
    });
    let request = Request::from_parts(parts, Body::from_stream(chunks));
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| HttpError::Body(rejection.into()))
}

/// Checks the ID that a caller chose for a prediction: 1 to 128 characters of `A-Z a-z 0-9 _ . - :`, and
/// not only dots, so that it is safe in every path and file name.
///
/// # Errors
/// If it is not allowed.
pub(super) fn check_id(id: &str) -> Result<(), Detail> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.-:".contains(character);
    let valid = (1..=MAX_ID_LENGTH).contains(&id.len())
        && id.chars().all(allowed)
        && id.chars().any(|character| character != '.');
    if valid {
        return Ok(());
    }
    Err(Detail::body(
        "id",
        format!(
            "prediction ID must be 1 to {MAX_ID_LENGTH} characters from A-Z a-z 0-9 _ . - : and not only dots"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(
        content_type: Option<&str>,
        body: &'static str,
    ) -> Result<PredictionRequest, String> {
        let mut request = Request::new(Body::from(body));
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        PredictionRequest::read(request, Duration::from_secs(1))
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn invalid_bodies_are_rejected_with_the_messages_of_cogs_server() {
        const SHAPE: &str = "Failed to deserialize the JSON body into the target type: ";
        const SYNTAX: &str = "Failed to parse the request body as JSON: ";
        let cases = [
            (
                r#"{"id": 5}"#,
                SHAPE,
                "id: invalid type: integer `5`, expected a string at line 1 column 8",
            ),
            (
                "[1,2]",
                SHAPE,
                "[0]: invalid type: integer `1`, expected a string at line 1 column 2",
            ),
            (
                r#""abc""#,
                SHAPE,
                r#"invalid type: string "abc", expected struct PredictionRequest at line 1 column 5"#,
            ),
            (
                r#"{"context":null}"#,
                SHAPE,
                "context: invalid type: null, expected a map at line 1 column 15",
            ),
            (
                r#"{"context":{"k":1}}"#,
                SHAPE,
                "context.k: invalid type: integer `1`, expected a string at line 1 column 17",
            ),
            (
                r#"{"webhook_events_filter":["bogus"]}"#,
                SHAPE,
                "webhook_events_filter[0]: unknown variant `bogus`, expected one of `start`, `output`, `logs`, `completed` at line 1 column 33",
            ),
            (
                r#"{"webhook_events_filter":null}"#,
                SHAPE,
                "webhook_events_filter: invalid type: null, expected a sequence at line 1 column 29",
            ),
            (
                r#"{"id":"a","id":"b"}"#,
                SHAPE,
                "duplicate field `id` at line 1 column 14",
            ),
            (
                r#"{"input": "#,
                SYNTAX,
                "input: EOF while parsing a value at line 1 column 10",
            ),
            ("", SYNTAX, "EOF while parsing a value at line 1 column 0"),
        ];
        for (body, start, rest) in cases {
            let error = read(Some("application/json"), body).await.unwrap_err();
            assert_eq!(error, format!("{start}{rest}"), "{body}");
        }
    }

    #[tokio::test]
    async fn a_byte_order_mark_before_the_body_is_ignored() {
        let body = "\u{feff}{\"id\": \"a\"}";
        let request = read(Some("application/json"), body).await.unwrap();
        assert_eq!(request.id.as_deref(), Some("a"));
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused_with_its_encoding() {
        let request = |encoding: &'static str| {
            let request = Request::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::CONTENT_ENCODING, encoding);
            request.body(Body::from("{}")).unwrap()
        };
        let read = |encoding| PredictionRequest::read(request(encoding), Duration::from_secs(1));
        let error = read("gzip").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "The body has the content encoding `gzip`; send it without compression"
        );
        let status = axum::response::IntoResponse::into_response(error).status();
        assert_eq!(status, axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(read("identity").await.is_ok());
    }

    #[tokio::test]
    async fn the_content_type_decides_whether_a_body_is_read() {
        let body = r#"{"id":"a"}"#;
        for valid in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.x+json",
        ] {
            assert_eq!(
                read(Some(valid), body).await.unwrap().id.as_deref(),
                Some("a"),
                "{valid}"
            );
        }
        assert_eq!(read(None, body).await.unwrap().id, None);
        for invalid in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let error = read(Some(invalid), body).await.unwrap_err();
            assert_eq!(
                error, "Expected request with `Content-Type: application/json`",
                "{invalid}"
            );
        }
    }

    #[test]
    fn an_id_is_safe_in_a_path() {
        let longest = "x".repeat(MAX_ID_LENGTH);
        for valid in ["a", "..a", "A_b.c-d:9", "2026-11-24T04:00", &longest] {
            assert!(check_id(valid).is_ok(), "{valid}");
        }
        let too_long = format!("{longest}x");
        for invalid in [
            "", ".", "..", "a/b", "../x", "a b", "ä", "a\n", "%2e", &too_long,
        ] {
            assert!(check_id(invalid).is_err(), "{invalid}");
        }
    }
}
