//! The doors: Cog's HTTP interface and what this server adds to it.
//!
//! ```text
//! listen -> router -> observe -> access -> handlers -> envelope, Input -> Registry
//!                                             |
//!                                             +-> one answer, 202, or a stream of events
//! ```
//!
//! Nothing here computes: a handler checks a request, hands it to the service, and watches.

mod connection_watch;
mod drain;
mod bounded_json;
mod error;
mod preference;
mod auth;
mod request_log;
mod docs;
mod envelope;
mod output_budget;
mod completed_event;
mod state;
mod targets;
mod stream;
mod health;
mod discovery;
mod predictions;
mod trainings;
mod router;
pub mod listen;

pub use connection_watch::Patience;
pub use router::router;
pub use state::{Limits, Settings};
