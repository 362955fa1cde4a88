//! What a store keeps of an accepted prediction.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::job::Job;

/// A prediction as it was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What the worker has to know.
    pub job: Job,
    /// What happens to it if the server ends before it has ended.
    pub restart_policy: RestartPolicy,
    /// The receiver of its webhooks, if there is one.
    pub receiver: Option<Receiver>,
    /// How it is queued.
    pub dispatch: Dispatch,
}

/// How a prediction is queued among others, in a queue that several machines share. Other queues are first in, first out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// Its priority.
    pub priority: Priority,
    /// A digest that stands for its caller. Callers take turns within a priority.
    pub caller: Option<String>,
    /// The trace that it belongs to, as in the header `traceparent` (W3C Trace Context).
    pub trace: Option<String>,
}

/// The priority of a prediction. Those of a higher one are drawn first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// The usual one.
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl Priority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The priority of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str() == name)
    }
}

/// What happens to an unfinished prediction when the server starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is drawn again from its seed: its caller has a 202 or waits for a webhook.
    DrawAgain,
    /// It is cancelled: its caller waited on a connection, which is lost.
    Cancel,
}

/// The receiver of a prediction's webhooks, as text that only the sender of webhooks can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver(String);

impl Receiver {
    /// A receiver from the text of the sender.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text of the sender.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Receiver {
    /// Shows nothing: the URL in it may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Receiver")
    }
}
