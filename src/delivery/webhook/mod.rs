//! Webhooks: a receiver that the caller chose gets the state of a prediction when it starts, when there
//! are new files or log lines, and when it is completed.
//!
//! One task for each prediction sends one request at a time, so the messages are in order, and
//! `completed` comes last. A message contains the newest state at the moment when it is sent: states
//! in between are left out, and nothing is queued. So a slow or unreachable receiver uses neither
//! memory nor drawing time.
//!
//! If a receiver answers 413, or closes the connection while a large message is sent, the message is
//! sent again with less output, and all later messages have less output too.

mod event;
mod output;
mod lease;
mod notes;
mod deliver;
mod progress;
mod sender;
#[cfg(test)]
mod tests;

pub use event::{EventFilter, WebhookEvent};
pub use lease::WebhookLease;
pub use output::WebhookOutput;
pub use sender::{StoredWebhookError, Webhook, WebhookConfig, WebhookSender};
