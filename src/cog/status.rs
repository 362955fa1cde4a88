//! The status of a prediction.

use serde::{Deserialize, Serialize};

/// The status of a prediction, in Cog's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted, waiting for a slot.
    Starting,
    /// Being drawn, or its last files are being stored.
    Processing,
    /// The finished drawing is the last output.
    Succeeded,
    /// Stopped on request, or because the client that waited for it disconnected.
    Canceled,
    /// Stopped by an error.
    Failed,
}

impl Status {
    /// Every status, in the order in which a prediction can have them.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Processing,
        Self::Succeeded,
        Self::Canceled,
        Self::Failed,
    ];

    /// The name in responses, events and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// Whether it is final: a prediction with this status does not change again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::Failed)
    }
}
