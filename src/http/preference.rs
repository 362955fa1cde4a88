//! How a client wants the response: the headers `Prefer`, `Accept` and `Last-Event-ID`.

use axum::http::{HeaderMap, HeaderName, header};

/// How a client wants to get a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    /// One response, when the prediction has finished.
    Wait,
    /// A response at once. The client polls, or has a webhook.
    RespondAsync,
    /// An event stream.
    Stream,
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Preference {
    /// Reads the headers. An event stream takes precedence, as in Cog.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if accepts_events(headers) {
            Self::Stream
        } else if list_items(headers, &PREFER)
            .any(|item| without_parameters(item).eq_ignore_ascii_case("respond-async"))
        {
            Self::RespondAsync
        } else {
            Self::Wait
        }
    }
}

/// Whether a client asks for an event stream.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    list_items(headers, &header::ACCEPT)
        .any(|item| without_parameters(item).eq_ignore_ascii_case("text/event-stream"))
}

/// The number of the last event that a client has received. Browsers send it when they reconnect.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// The items of a header that is a list, which may span several lines.
pub(super) fn list_items<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
}

/// A list item without its parameters.
fn without_parameters(item: &str) -> &str {
    item.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preference(lines: &[(&HeaderName, &'static str)]) -> Preference {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Preference::of(&headers)
    }

    #[test]
    fn both_headers_are_case_insensitive_lists_and_a_stream_takes_precedence() {
        let accept = &header::ACCEPT;
        let cases: [(&[(&HeaderName, &'static str)], Preference); 10] = [
            (&[], Preference::Wait),
            (&[(accept, "*/*")], Preference::Wait),
            (&[(&PREFER, "respond-async")], Preference::RespondAsync),
            (&[(&PREFER, "Respond-Async")], Preference::RespondAsync),
            (
                &[(&PREFER, "respond-async, wait=5")],
                Preference::RespondAsync,
            ),
            (
                &[(&PREFER, "wait=5"), (&PREFER, "respond-async;x")],
                Preference::RespondAsync,
            ),
            (&[(&PREFER, "wait=5")], Preference::Wait),
            (&[(accept, "text/event-stream")], Preference::Stream),
            (
                &[(accept, "text/html, Text/Event-Stream;q=0.9")],
                Preference::Stream,
            ),
            (
                &[(accept, "text/event-stream"), (&PREFER, "respond-async")],
                Preference::Stream,
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(preference(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_last_event_id_that_is_not_a_number_is_ignored() {
        for (text, expected) in [("17", Some(17)), ("", None), ("-1", None), ("x", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, text.parse().unwrap());
            assert_eq!(last_event_id(&headers), expected, "{text}");
        }
    }
}
