//! Where a prediction stands.

use serde::Serialize;

/// The status of a prediction, with Cog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, waiting for a slot.
    Starting,
    /// Being drawn, or its last files are on their way.
    Processing,
    /// The finished drawing is the last output.
    Succeeded,
    /// Stopped on request, or because nobody was left to wait for it.
    Canceled,
    /// Stopped by an error.
    Failed,
}

impl Status {
    /// The word in responses, events and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::Failed)
    }
}
