//! The kinds of webhooks, and the names of messages.

use serde::{Deserialize, Serialize};

use crate::service::Snapshot;

/// A kind of message to the receiver of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// The drawing has begun.
    Start,
    /// There are new files.
    Output,
    /// There are new log lines.
    Logs,
    /// The status is final.
    Completed,
}

/// The kinds that a receiver wants, as in the field `webhook_events_filter`: a JSON array of names.
/// Without that field it gets all kinds, with an empty array none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventFilter(Vec<WebhookEvent>);

impl WebhookEvent {
    /// The name, as in the filter and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Output => "output",
            Self::Logs => "logs",
            Self::Completed => "completed",
        }
    }
}

/// The name of a message, which is the same after a restart of the server too: a receiver that has got a message of this name
/// can ignore it. The time distinguishes predictions that had the same id one after another.
pub(super) fn message_name(event: WebhookEvent, snapshot: &Snapshot) -> String {
    let message = match event {
        WebhookEvent::Start | WebhookEvent::Completed => event.as_str().to_owned(),
        WebhookEvent::Output => format!("output.{}", snapshot.output.len()),
        WebhookEvent::Logs => format!("logs.{}", snapshot.logs.lines().count()),
    };
    let created = snapshot.created_at.as_millisecond();
    format!("{}.{created}.{message}", snapshot.id)
}

/// Whether the message of that name is the first one of its prediction.
pub(super) fn is_first(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, message)| message == WebhookEvent::Start.as_str())
}

/// Whether the message of that name is the last one of its prediction.
pub(super) fn is_last(name: &str) -> bool {
    name.ends_with(".completed")
}

/// How many files there were when the message of that name was sent; `None` if it was not sent because of files.
pub(super) fn files_of(name: &str) -> Option<usize> {
    name.rsplit_once(".output.")?.1.parse().ok()
}

impl EventFilter {
    /// A filter for these kinds only.
    pub fn only(events: &[WebhookEvent]) -> Self {
        Self(events.to_vec())
    }

    /// Whether the receiver wants this kind.
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.0.contains(&event)
    }

    /// Whether it wants any kind before `completed`.
    pub(super) fn wants_progress(&self) -> bool {
        self.0.iter().any(|event| *event != WebhookEvent::Completed)
    }
}

impl Default for EventFilter {
    fn default() -> Self {
        Self::only(&[
            WebhookEvent::Start,
            WebhookEvent::Output,
            WebhookEvent::Logs,
            WebhookEvent::Completed,
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::Map;

    use super::*;

    #[test]
    fn the_name_of_a_message_says_what_was_sent() {
        let (input, origin) = (Arc::new(Map::new()), Arc::default());
        let created_at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let mut snapshot = Snapshot::accepted("a.output.9".into(), input, created_at, origin);
        snapshot.output = vec!["x".into(), "y".into()];
        snapshot.logs = "1\n2\n3\n".into();
        for (event, message, files) in [
            (WebhookEvent::Start, "start", None),
            (WebhookEvent::Output, "output.2", Some(2)),
            (WebhookEvent::Logs, "logs.3", None),
            (WebhookEvent::Completed, "completed", None),
        ] {
            let name = message_name(event, &snapshot);
            assert_eq!(name, format!("a.output.9.1700000000123.{message}"));
            assert_eq!(is_first(&name), event == WebhookEvent::Start);
            assert_eq!(is_last(&name), event == WebhookEvent::Completed);
            assert_eq!(files_of(&name), files, "{name}");
        }
    }

    #[test]
    fn a_filter_is_read_from_the_names_that_cog_uses() {
        let all: EventFilter =
            serde_json::from_str(r#"["start", "output", "logs", "completed"]"#).unwrap();
        assert_eq!(all, EventFilter::default());
        let last: EventFilter = serde_json::from_str(r#"["completed", "completed"]"#).unwrap();
        assert!(last.wants(WebhookEvent::Completed) && !last.wants_progress());
        let nothing: EventFilter = serde_json::from_str("[]").unwrap();
        assert!(!nothing.wants(WebhookEvent::Completed) && !nothing.wants_progress());
    }

    #[test]
    fn the_error_for_an_unknown_name_lists_the_known_ones() {
        for text in [r#"["done"]"#, "null", r#""completed""#] {
            let error = serde_json::from_str::<EventFilter>(text).unwrap_err();
            let known = error
                .to_string()
                .contains("`start`, `output`, `logs`, `completed`");
            assert!(known || !text.contains("done"), "{error}");
        }
    }
}
