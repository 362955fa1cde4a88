//! The life of predictions: accepted, drawn on the one thread that owns the model, carried to
//! those who watch, ended with exactly one final word.
//!
//! ```text
//! Request -> Registry (slots, queue) -> worker (Engine) -> Report -> courier -> Prediction -> who watches
//! ```
//!
//! Nothing here knows HTTP or webhooks: they watch [`Prediction`].

pub mod status;
mod measure;
pub mod event;
pub mod snapshot;
pub mod health;
pub mod prediction;
pub mod engine;
mod report;
pub mod registry;
mod courier;
mod submit;
pub mod worker;

pub use engine::{ClipEngine, Engine};
pub use event::{Event, Truncated};
pub use health::{Health, HealthStatus, Setup, SetupStatus};
pub use prediction::{Lifeline, Prediction, Subscriber};
pub use registry::{Limits, Refusal, Registry};
pub use report::Destination;
pub use snapshot::Snapshot;
pub use status::Status;
pub use submit::Request;
