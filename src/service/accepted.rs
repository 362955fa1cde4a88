//! What a store keeps of an accepted prediction.

use std::fmt;

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
