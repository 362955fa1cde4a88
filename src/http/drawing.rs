//! The finished drawing itself as the response, for clients that ask for an image.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use super::accept::FormatChoice;
use super::error::HttpError;
use crate::cog::Status;
use crate::output::{DataUrl, OutputFormat, svg_to_png};
use crate::service::{Destination, Snapshot};

/// The header with the ID of the prediction; uploads have it too.
const PREDICTION_ID: HeaderName = HeaderName::from_static("x-prediction-id");

/// With this policy a browser that shows the drawing runs no scripts and loads nothing else.
pub(super) const CONTENT_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

/// The number of pixels of a PNG for each pixel of the canvas, in each direction.
const PNG_SCALE: f32 = 1.0;

/// Checks, before anything is drawn, that the drawing will be available in the format that the client
/// asks for.
///
/// # Errors
/// If it will be a PNG, or will be uploaded, and another format is asked for.
pub(super) fn check_format(
    choice: FormatChoice,
    drawn: OutputFormat,
    destination: &Destination,
) -> Result<(), HttpError> {
    let is_here = matches!(destination, Destination::Inline);
    match choice {
        FormatChoice::Only(wanted) if !is_possible(drawn, wanted, is_here) => {
            Err(HttpError::OtherFormat { drawn })
        }
        FormatChoice::Only(_) | FormatChoice::AsDrawn => Ok(()),
    }
}

/// Only an SVG that was not uploaded can be converted.
fn is_possible(drawn: OutputFormat, wanted: OutputFormat, is_here: bool) -> bool {
    drawn == wanted || (is_here && (drawn, wanted) == (OutputFormat::Svg, OutputFormat::Png))
}

/// The drawing of a prediction that has succeeded: the file, or a redirect to where it was uploaded.
///
/// # Errors
/// If there is no finished drawing, or it is not available in that format.
pub(super) async fn respond(
    snapshot: Snapshot,
    choice: FormatChoice,
) -> Result<Response, HttpError> {
    let id = snapshot.id.clone();
    match snapshot.status {
        Status::Succeeded => {}
        Status::Failed => {
            let message = snapshot.error.unwrap_or_default();
            return Err(HttpError::DrawingFailed { id, message });
        }
        Status::Canceled => return Err(HttpError::DrawingCanceled { id }),
        Status::Starting | Status::Processing => {
            let status = snapshot.status;
            return Err(HttpError::Unfinished { id, status });
        }
    }
    let file = snapshot.output.last().ok_or(HttpError::Internal)?;
    let drawn = format_of(&snapshot).ok_or(HttpError::Internal)?;
    let wanted = match choice {
        FormatChoice::Only(wanted) => wanted,
        FormatChoice::AsDrawn => drawn,
    };
    let data_url = DataUrl::parse(file);
    if !is_possible(drawn, wanted, data_url.is_some()) {
        return Err(HttpError::OtherFormat { drawn });
    }
    let Some(data_url) = data_url else {
        return redirect(file);
    };
    let bytes = data_url
        .decode()
        .map_err(|error| HttpError::internal(&error))?;
    let bytes = if drawn == wanted {
        bytes
    } else {
        spawn_blocking(move || paint(bytes))
            .await
            .map_err(|error| HttpError::internal(&error))??
    };
    image(&id, wanted, bytes)
}

fn format_of(snapshot: &Snapshot) -> Option<OutputFormat> {
    snapshot.input.get("output_format")?.as_str()?.parse().ok()
}

fn paint(svg: Vec<u8>) -> Result<Vec<u8>, HttpError> {
    let svg = String::from_utf8(svg).map_err(|error| HttpError::internal(&error))?;
    svg_to_png(&svg, PNG_SCALE).map_err(|error| HttpError::internal(&error))
}

/// A redirect to an uploaded file.
fn redirect(url: &str) -> Result<Response, HttpError> {
    let url = HeaderValue::from_str(url).map_err(|error| HttpError::internal(&error))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response())
}

fn image(id: &str, format: OutputFormat, bytes: Vec<u8>) -> Result<Response, HttpError> {
    let name = format!("inline; filename=\"{id}.{}\"", format.extension());
    let text =
        |text: &str| HeaderValue::from_str(text).map_err(|error| HttpError::internal(&error));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.media_type()),
        ),
        (header::CONTENT_DISPOSITION, text(&name)?),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::VARY, HeaderValue::from_static("accept")),
        (PREDICTION_ID, text(id)?),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}
