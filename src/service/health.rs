//! What the server says of itself.

use jiff::Timestamp;
use serde::Serialize;

/// The state of the server, with Cog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HealthStatus {
    /// The model is being loaded.
    Starting,
    /// The next prediction is accepted.
    Ready,
    /// Every slot and every place in the queue is taken.
    Busy,
    /// The model could not be loaded.
    SetupFailed,
    /// The model broke after it had worked, and is being loaded again.
    Unhealthy,
    /// The server is shutting down.
    Defunct,
}

/// How the loading of the model went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setup {
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub started_at: Timestamp,
    /// When it ended, well or not.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_text_if_any"
    )]
    pub completed_at: Option<Timestamp>,
    /// Where it stands.
    pub status: SetupStatus,
    /// What was logged on the way; empty until the end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub logs: String,
}

/// Where the loading of the model stands, with Cog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SetupStatus {
    /// Under way.
    Starting,
    /// The model is there.
    Succeeded,
    /// The model could not be loaded.
    Failed,
}

/// The state of the server with its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// The state.
    pub status: HealthStatus,
    /// How the model was loaded.
    pub setup: Setup,
    /// Why the server is unhealthy, if it is.
    pub trouble: Option<String>,
    /// Predictions that are being drawn or whose files are on their way.
    pub running: usize,
    /// Predictions that wait for a slot.
    pub waiting: usize,
}

impl Setup {
    pub(super) fn begun() -> Self {
        Self {
            started_at: Timestamp::now(),
            completed_at: None,
            status: SetupStatus::Starting,
            logs: String::new(),
        }
    }

    pub(super) fn end(&mut self, status: SetupStatus, logs: String) {
        self.completed_at = Some(Timestamp::now());
        self.status = status;
        self.logs = logs;
    }
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn as_text_if_any<S: serde::Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => as_text(at, serializer),
        None => serializer.serialize_none(),
    }
}
