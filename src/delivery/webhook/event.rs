//! The kinds of webhooks.

use serde::{Deserialize, Serialize};

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
    use super::*;

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
