//! The right to send the webhooks of a prediction, where several processes could.

use std::fmt;

use async_trait::async_trait;

/// The right of this process to send the webhooks of one prediction.
#[async_trait]
pub trait WebhookLease: fmt::Debug + Send + Sync {
    /// Whether a message may be sent now. It is false from the moment at which another process sends.
    async fn may_send(&self) -> bool;

    /// Records that a message of that name was sent, so that another process does not go back behind it.
    async fn sent(&self, name: &str);
}
