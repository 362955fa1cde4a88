//! How a client wants its answer, by the headers `Prefer` and `Accept`.

use axum::http::{HeaderMap, HeaderName, header};

/// How a client wants to learn about a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    /// One answer when the prediction has finished.
    Wait,
    /// An answer at once; the client asks again, or named a webhook.
    RespondAsync,
    /// A stream of events.
    Stream,
}

const PREFER: HeaderName = HeaderName::from_static("prefer");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Preference {
    /// Reads the headers. A stream wins over everything, as in Cog.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if accepts_events(headers) {
            Self::Stream
        } else if elements(headers, &PREFER)
            .any(|element| named(element).eq_ignore_ascii_case("respond-async"))
        {
            Self::RespondAsync
        } else {
            Self::Wait
        }
    }
}

/// Whether a client asks for a stream of events.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    elements(headers, &header::ACCEPT)
        .any(|element| named(element).eq_ignore_ascii_case("text/event-stream"))
}

/// The number of the last event that a client has, which is how browsers come back.
pub(super) fn last_event(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// The elements of a header that is a list, over all its lines.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
}

/// An element without its parameters.
fn named(element: &str) -> &str {
    element.split(';').next().unwrap_or_default().trim()
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
    fn both_headers_are_lists_in_any_case_and_a_stream_wins() {
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
    fn a_last_event_that_is_no_number_is_none() {
        for (text, expected) in [("17", Some(17)), ("", None), ("-1", None), ("x", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, text.parse().unwrap());
            assert_eq!(last_event(&headers), expected, "{text}");
        }
    }
}
