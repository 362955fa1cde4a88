//! The event stream of a prediction.
//!
//! The clients know four events: `output` with the address of a file, `logs` with lines of the log, `error`, and `done`,
//! which is the last one. The data of the first two is the text itself, not JSON. The numbers of the events are those of
//! Cog's stream, with gaps.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;

use crate::http::auth::has_token;
use crate::http::error::HttpError;
use crate::http::follower::{Follower, Found, HEADERS, KEEP_ALIVE_COMMENT};
use crate::http::list::parameter;
use crate::http::predictions::find;
use crate::http::preference::last_event_id;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::http::stream::StreamPermit;
use crate::replicate::{Site, with_progress};
use crate::service::{Completion, Event, Outcome, OutputShape};

/// `GET /v1/streams/{id}?token=...`: the events from the beginning, or after `Last-Event-ID`. Some clients do not send the
/// server's token to this address, so it has one of its own.
pub(super) async fn show(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    uri: Uri,
    site: Site,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !is_allowed(&state, &id, &uri, &headers) {
        return Err(HttpError::Unauthorized.into());
    }
    let prediction = find(&state, &id).await?.ok_or(HttpError::NotFound)?;
    let permit = StreamPermit::take(&state)?;
    let after = last_event_id(&headers);
    let number = match prediction.first_event(after) {
        Ok(number) => number,
        // The clients know no event for this; what is left includes the finished drawing.
        Err(truncated) => after.map_or(1, |after| after + 1) + truncated.skipped,
    };
    // A client that has seen `done` gets 204, because browsers would reconnect forever.
    let last = number.saturating_sub(1);
    let has_ended = matches!(prediction.event(last), Ok(Some(Event::Completed(_))));
    if has_ended && after.is_some_and(|after| after > last) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = EventStream {
        shape: prediction.origin().output(),
        follower: Follower::new(prediction, state.config.waits.silence),
        site,
        number: if has_ended { last } else { number },
        misses_only_done: has_ended,
        is_over: false,
        _permit: permit,
    };
    let chunks = stream::unfold(events, EventStream::next);
    Ok((HEADERS, Body::from_stream(chunks)).into_response())
}

fn is_allowed(state: &AppState, id: &str, uri: &Uri, headers: &HeaderMap) -> bool {
    let token = parameter(uri, "token");
    let api = &state.dependencies.api;
    token.is_some_and(|token| api.is_stream_token(&token, id))
        || state
            .config
            .access_token
            .as_ref()
            .is_some_and(|token| has_token(headers, token))
}

struct EventStream {
    follower: Follower,
    site: Site,
    shape: OutputShape,
    /// The number of the next event.
    number: u64,
    /// Whether the client has seen what comes with the last event, except `done`.
    misses_only_done: bool,
    is_over: bool,
    _permit: StreamPermit,
}

impl EventStream {
    /// The next chunk of the response, and the stream after it.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        while !self.is_over {
            let chunk = match self.follower.wait_for(self.number).await {
                Found::Event(event) => {
                    let number = self.number;
                    self.number += 1;
                    self.is_over = matches!(event, Event::Completed(_));
                    self.write(number, &event)
                }
                Found::Truncated(truncated) => {
                    self.number += truncated.skipped;
                    continue;
                }
                Found::Silence => Some(KEEP_ALIVE_COMMENT),
                Found::Suspended => return None,
            };
            if let Some(chunk) = chunk {
                return Some((Ok(chunk), self));
            }
        }
        None
    }

    /// The events for one event of the prediction, if there are any.
    fn write(&self, number: u64, event: &Event) -> Option<Bytes> {
        match event {
            Event::Log { data } => Some(text_event(number, "logs", &with_progress(data))),
            Event::Output { index, file } if self.shape == OutputShape::AllFiles => {
                let address = self
                    .site
                    .file(self.follower.prediction().id(), *index, file);
                Some(text_event(number, "output", &address))
            }
            Event::Completed(completion) => Some(self.end(number, completion).into()),
            _ => None,
        }
    }

    /// The last events: the finished drawing where it is the only file, or the error, and `done`, whose number is the next
    /// one.
    fn end(&self, number: u64, completion: &Completion) -> String {
        let mut text = String::new();
        let mut add = |event: Bytes| text.push_str(&String::from_utf8_lossy(&event));
        let done = match &completion.outcome {
            Outcome::Succeeded => {
                if self.shape == OutputShape::FinishedDrawing && !self.misses_only_done {
                    let snapshot = self.follower.prediction().snapshot();
                    let last = snapshot.output.iter().enumerate().next_back();
                    if let Some((index, file)) = last {
                        let address = self.site.file(&snapshot.id, index, file);
                        add(text_event(number, "output", &address));
                    }
                }
                json!({})
            }
            Outcome::Failed(message) => {
                if !self.misses_only_done {
                    let error = json!({ "detail": message });
                    add(text_event(number, "error", &error.to_string()));
                }
                json!({ "reason": "error" })
            }
            Outcome::Canceled => json!({ "reason": "canceled" }),
        };
        add(text_event(number + 1, "done", &done.to_string()));
        text
    }
}

/// An event with a text, which may have several lines.
fn text_event(number: u64, name: &str, text: &str) -> Bytes {
    let mut event = format!("event: {name}\nid: {number}\n");
    for line in text.split('\n') {
        event.push_str("data: ");
        event.push_str(line.trim_end_matches('\r'));
        event.push('\n');
    }
    event.push('\n');
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sent_line_by_line() {
        let event = text_event(3, "logs", "step 1/3\n 33%|###\n");
        let expected = "event: logs\nid: 3\ndata: step 1/3\ndata:  33%|###\ndata: \n\n";
        assert_eq!(event, expected.as_bytes());
    }
}
