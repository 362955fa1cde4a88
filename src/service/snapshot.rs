//! The state of a prediction at one moment.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::origin::Origin;
use crate::cog::Status;

/// The metric that holds the seconds from the start of the drawing to the end.
pub(super) const PREDICT_TIME: &str = "predict_time";

/// The state of a prediction at one moment. As JSON it is the body of responses and of webhooks,
/// with the fields of both generations of Cog. Values that are not known yet are left out and never
/// `null`, because Cog's schema allows no nulls.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The identifier.
    pub id: Arc<str>,
    /// Its status.
    pub status: Status,
    /// The inputs with defaults filled in.
    pub input: Arc<Map<String, Value>>,
    /// The URLs of the files so far, in the order in which they were drawn.
    pub output: Vec<Arc<str>>,
    /// How many files before these were left out.
    pub omitted: usize,
    /// The log, line by line.
    pub logs: Arc<str>,
    /// Why it failed.
    pub error: Option<Arc<str>>,
    /// Numbers by name; `predict_time` in seconds when the status is final.
    pub metrics: Map<String, Value>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its drawing began.
    pub started_at: Option<Timestamp>,
    /// When the status became final.
    pub completed_at: Option<Timestamp>,
    /// How it was asked for. It is not part of Cog's JSON.
    pub origin: Arc<Origin>,
}

impl Snapshot {
    /// The state of a prediction that has just been accepted.
    pub fn accepted(
        id: Arc<str>,
        input: Arc<Map<String, Value>>,
        created_at: Timestamp,
        origin: Arc<Origin>,
    ) -> Self {
        Self {
            id,
            status: Status::Starting,
            input,
            output: Vec::new(),
            omitted: 0,
            logs: "".into(),
            error: None,
            metrics: Map::new(),
            created_at,
            started_at: None,
            completed_at: None,
            origin,
        }
    }

    /// The state when the drawing began.
    #[must_use]
    pub fn at_start(self) -> Self {
        Self {
            status: Status::Processing,
            started_at: self.started_at,
            ..Self::accepted(self.id, self.input, self.created_at, self.origin)
        }
    }

    /// The state just before the end.
    #[must_use]
    pub fn before_end(mut self) -> Self {
        self.status = Status::Processing;
        self.error = None;
        self.completed_at = None;
        self.metrics.remove(PREDICT_TIME);
        self
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &*self.id)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("input", &*self.input)?;
        if !self.output.is_empty() {
            let files: Vec<&str> = self.output.iter().map(|file| &**file).collect();
            map.serialize_entry("output", &files)?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", &**error)?;
        }
        map.serialize_entry("logs", &*self.logs)?;
        map.serialize_entry("metrics", &self.metrics)?;
        map.serialize_entry("created_at", &self.created_at.to_string())?;
        if let Some(at) = self.started_at {
            map.serialize_entry("started_at", &at.to_string())?;
        }
        if let Some(at) = self.completed_at {
            map.serialize_entry("completed_at", &at.to_string())?;
        }
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.end()
    }
}
