//! The form in which clients send a file (RFC 7578).

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use multer::{Field, Multipart};
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::cog::Detail;
use crate::http::problem::Problem;
use crate::http::state::RequestLimits;
use crate::inputs::MAX_FILE_BYTES;
use crate::service::NewInputFile;

/// The maximum size of everything else in a form, in bytes.
const MAX_REST: usize = 1 << 16;

/// The maximum length of the name of a file in bytes, as on Replicate.
const MAX_NAME: usize = 255;

/// The name of a file that has none.
const NAME: &str = "file";

/// The type of a file that has none.
const MEDIA_TYPE: &str = "application/octet-stream";

/// A form, as far as it is read.
#[derive(Debug, Default)]
struct Form {
    content: Option<Bytes>,
    name: Option<String>,
    media_type: Option<String>,
    metadata: Map<String, Value>,
}

/// Reads the form in the body of a request: `content` with the file, and, if the client wants, `filename`, `type` and
/// `metadata`.
///
/// # Errors
/// If it is not such a form, or the file is empty or too large.
pub(super) async fn read_form(
    request: Request,
    limits: RequestLimits,
) -> Result<NewInputFile, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(|value| multer::parse_boundary(value).ok());
    let boundary = boundary.ok_or_else(|| {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            "Send the file as `content` in a form of the type multipart/form-data.",
        )
    })?;
    let body = read_body(request.into_body(), limits).await?;
    let body = stream::once(async { Ok::<_, std::convert::Infallible>(body) });
    let mut parts = Multipart::new(body, boundary);
    let mut form = Form::default();
    while let Some(field) = parts.next_field().await.map_err(|error| invalid(&error))? {
        form.take(field).await?;
    }
    form.file()
}

impl Form {
    async fn take(&mut self, field: Field<'_>) -> Result<(), Problem> {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "content" => {
                // The fields of these names come first, where a client sends them too.
                let given = field.file_name().map(str::to_owned);
                self.name = self.name.take().or(given);
                let given = field.content_type().map(ToString::to_string);
                self.media_type = self.media_type.take().or(given);
                self.content = Some(field.bytes().await.map_err(|error| invalid(&error))?);
            }
            "filename" => self.name = Some(text(field).await?),
            "type" => self.media_type = Some(text(field).await?),
            "metadata" => self.metadata = metadata(&text(field).await?)?,
            other => {
                // One client writes each member of it as a field.
                let member = other.strip_prefix("metadata[");
                if let Some(member) = member.and_then(|rest| rest.strip_suffix(']')) {
                    let value = text(field).await?;
                    self.metadata.insert(member.to_owned(), value.into());
                }
            }
        }
        Ok(())
    }

    fn file(self) -> Result<NewInputFile, Problem> {
        let refused = |field: &str, reason: String| Problem::from(Detail::body(field, reason));
        let content = self.content;
        let content =
            content.ok_or_else(|| refused("content", "content is required".to_owned()))?;
        if content.is_empty() {
            return Err(refused("content", "the file is empty".to_owned()));
        }
        if content.len() > MAX_FILE_BYTES {
            return Err(too_large(MAX_FILE_BYTES));
        }
        let name = self.name.filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| NAME.to_owned());
        if name.len() > MAX_NAME {
            let reason = format!("the name must have at most {MAX_NAME} bytes");
            return Err(refused("filename", reason));
        }
        Ok(NewInputFile {
            name,
            media_type: essence(self.media_type.as_deref()),
            metadata: self.metadata,
            content,
        })
    }
}

async fn text(field: Field<'_>) -> Result<String, Problem> {
    field.text().await.map_err(|error| invalid(&error))
}

fn metadata(text: &str) -> Result<Map<String, Value>, Problem> {
    let refused = || Detail::body("metadata", "it must be a JSON object");
    Ok(serde_json::from_str(text).map_err(|_| refused())?)
}

/// A media type without parameters.
fn essence(media_type: Option<&str>) -> String {
    let essence = media_type.and_then(|text| text.split(';').next());
    let essence = essence.map(|text| text.trim().to_ascii_lowercase());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
    essence
        .filter(|text| text.matches('/').count() == 1 && text.bytes().all(allowed))
        .unwrap_or_else(|| MEDIA_TYPE.to_owned())
}

/// Reads a body. If it is too large it is read as well, up to the limit for all bodies: a client that still sends would not
/// see the answer.
async fn read_body(body: Body, limits: RequestLimits) -> Result<Bytes, Problem> {
    let max = MAX_FILE_BYTES + MAX_REST;
    let mut chunks = body.into_data_stream();
    let (mut kept, mut length) = (BytesMut::new(), 0);
    loop {
        let chunk = timeout(limits.body_timeout, chunks.next()).await;
        let chunk = chunk.map_err(|_| {
            let status = StatusCode::REQUEST_TIMEOUT;
            Problem::new(
                status,
                "Request timeout",
                "The body did not arrive in time.",
            )
        })?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| {
            let detail = format!("The body cannot be read: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "Bad request", detail)
        })?;
        length += chunk.len();
        if length > limits.body_bytes {
            return Err(too_large(limits.body_bytes.min(MAX_FILE_BYTES)));
        }
        if length <= max {
            kept.extend_from_slice(&chunk);
        } else {
            kept = BytesMut::new();
        }
    }
    if length > max {
        return Err(too_large(MAX_FILE_BYTES));
    }
    Ok(kept.freeze())
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "File too large",
        format!("A file may have at most {limit} bytes."),
    )
}

fn invalid(error: &multer::Error) -> Problem {
    let detail = format!("The form cannot be read: {error}");
    Problem::new(StatusCode::BAD_REQUEST, "Bad request", detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn form(parts: &[(&str, &str)]) -> Request {
        let parts = parts.iter().map(|(headers, text)| {
            format!("--x\r\nContent-Disposition: form-data; {headers}\r\n\r\n{text}\r\n")
        });
        let body = format!("{}--x--\r\n", parts.collect::<String>());
        Request::builder()
            .header("content-type", "multipart/form-data; boundary=x")
            .body(body.into())
            .unwrap()
    }

    async fn read(request: Request) -> Result<NewInputFile, Problem> {
        let limits = RequestLimits {
            body_bytes: 100 << 20,
            body_timeout: Duration::from_secs(1),
            output_bytes: 0,
            subscribers: 0,
        };
        read_form(request, limits).await
    }

    #[tokio::test]
    async fn a_file_is_read_as_each_client_sends_it() {
        let python = form(&[
            ("name=\"metadata\"", "{\"a\": 1}"),
            (
                "name=\"content\"; filename=\"a b.svg\"\r\nContent-Type: image/SVG+xml; charset=utf-8",
                "<svg/>",
            ),
        ]);
        let file = read(python).await.unwrap();
        assert_eq!(
            (&*file.name, &*file.media_type),
            ("a b.svg", "image/svg+xml")
        );
        assert_eq!(Value::from(file.metadata), serde_json::json!({"a": 1}));
        assert_eq!(&file.content[..], b"<svg/>");
        let beta = form(&[
            ("name=\"filename\"", "fox.png"),
            ("name=\"metadata[a]\"", "1"),
            ("name=\"type\"", "image/png"),
            (
                "name=\"content\"; filename=\"upload\"\r\nContent-Type: application/octet-stream",
                "abc",
            ),
        ]);
        let file = read(beta).await.unwrap();
        assert_eq!((&*file.name, &*file.media_type), ("fox.png", "image/png"));
        assert_eq!(Value::from(file.metadata), serde_json::json!({"a": "1"}));
        let javascript = form(&[
            ("name=\"content\"; filename=\"blob\"", "abc"),
            (
                "name=\"metadata\"; filename=\"blob\"\r\nContent-Type: application/json",
                "{}",
            ),
        ]);
        let file = read(javascript).await.unwrap();
        assert_eq!((&*file.name, &*file.media_type), ("blob", MEDIA_TYPE));
    }

    #[tokio::test]
    async fn a_form_that_cannot_be_used_is_refused_with_the_reason() {
        let long = format!(
            "name=\"content\"; filename=\"{}\"",
            "x".repeat(MAX_NAME + 1)
        );
        let large = "x".repeat(MAX_FILE_BYTES + 1);
        let huge = "x".repeat(MAX_FILE_BYTES + MAX_REST + 1);
        for (parts, expected) in [
            (vec![("name=\"other\"", "abc")], "content is required"),
            (vec![("name=\"content\"; filename=\"a\"", "")], "is empty"),
            (vec![(long.as_str(), "abc")], "at most 255 bytes"),
            (
                vec![("name=\"content\"; filename=\"a\"", large.as_str())],
                "10485760 bytes",
            ),
            (
                vec![("name=\"content\"; filename=\"a\"", huge.as_str())],
                "10485760 bytes",
            ),
            (vec![("name=\"metadata\"", "[]")], "JSON object"),
        ] {
            let problem = format!("{:?}", read(form(&parts)).await.unwrap_err());
            assert!(problem.contains(expected), "{problem}");
        }
        let json = Request::builder().header("content-type", "application/json");
        let problem = read(json.body("{}".into()).unwrap()).await.unwrap_err();
        assert!(format!("{problem:?}").contains("multipart/form-data"));
        let cut = Request::builder().header("content-type", "multipart/form-data; boundary=x");
        let problem = read(cut.body("--x\r\nContent-".into()).unwrap()).await;
        assert!(format!("{:?}", problem.unwrap_err()).contains("cannot be read"));
    }
}
