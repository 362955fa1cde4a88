//! Tells a receiver of the caller's how a prediction goes on: started, new files, new log lines,
//! completed.
//!
//! One task for each prediction sends one request at a time, so what is told is in order, and
//! `completed` comes last. It never looks back: what is sent is the newest state when the receiver
//! is ready for it, states in between are left out, and nothing is queued. A slow or dead receiver
//! therefore costs neither memory nor drawing time.

pub mod event;
mod mailbox;
mod progress;
pub mod sender;
#[cfg(test)]
mod tests;

pub use event::{EventFilter, WebhookEvent};
pub use sender::{Pace, Sender, Webhook};
