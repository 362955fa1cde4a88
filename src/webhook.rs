//! Stand-in until the branch with the webhooks is merged.

use serde::Deserialize;

/// What a webhook tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// Start.
    Start,
    /// Output.
    Output,
    /// Logs.
    Logs,
    /// Completed.
    Completed,
}

impl WebhookEvent {
    /// All.
    pub fn all() -> Vec<Self> {
        vec![Self::Start, Self::Output, Self::Logs, Self::Completed]
    }
}
