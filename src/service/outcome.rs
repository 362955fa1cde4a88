//! How a prediction ends.

use jiff::Timestamp;

use crate::cog::Status;

/// How a prediction ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The drawing is finished.
    Succeeded,
    /// It was cancelled.
    Canceled,
    /// An error stopped it; the message is for the caller.
    Failed(String),
}

impl Outcome {
    /// The status that it leads to.
    pub fn status(&self) -> Status {
        match self {
            Self::Succeeded => Status::Succeeded,
            Self::Canceled => Status::Canceled,
            Self::Failed(_) => Status::Failed,
        }
    }
}

/// The end of a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub completed_at: Timestamp,
    /// Seconds from the start of the drawing, 0 if it never began.
    pub predict_time: f64,
}
