//! The health of a server, as `GET /health-check` reports it.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The state of the server, in Cog's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HealthStatus {
    /// The model is being loaded.
    Starting,
    /// The next prediction is accepted.
    Ready,
    /// All slots are taken and the queue is full.
    Busy,
    /// The model could not be loaded.
    SetupFailed,
    /// The model worked, then failed, and is being loaded again.
    Unhealthy,
    /// The server is shutting down.
    Defunct,
}

/// The setup: how loading the model went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setup {
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub started_at: Timestamp,
    /// When it ended, successfully or not.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_text_if_any"
    )]
    pub completed_at: Option<Timestamp>,
    /// Its status.
    pub status: SetupStatus,
    /// What was logged during the setup; empty until it has ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub logs: String,
}

/// The status of loading the model, in Cog's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SetupStatus {
    /// The model is being loaded.
    Starting,
    /// The model is loaded.
    Succeeded,
    /// The model could not be loaded.
    Failed,
}

impl Setup {
    /// A setup that begins now.
    pub fn begin() -> Self {
        Self {
            started_at: Timestamp::now(),
            completed_at: None,
            status: SetupStatus::Starting,
            logs: String::new(),
        }
    }

    /// Ends it now.
    pub fn end(&mut self, status: SetupStatus, logs: String) {
        self.completed_at = Some(Timestamp::now());
        self.status = status;
        self.logs = logs;
    }
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn as_text_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => as_text(at, serializer),
        None => serializer.serialize_none(),
    }
}
