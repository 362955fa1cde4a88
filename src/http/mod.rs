//! The doors: Cog's HTTP interface and what this server adds to it.
//!
//! ```text
//! listen -> router -> observe -> access -> handlers -> envelope, Input -> Registry
//!                                             |
//!                                             +-> one answer, 202, or a stream of events
//! ```
//!
//! Nothing here computes: a handler checks a request, hands it to the service, and watches.

mod activity;
mod unread;
mod bounded;
mod error;
mod preference;
mod access;
mod observe;
mod docs;
mod envelope;
mod capacity;
mod final_frames;
mod application;
mod sending;
mod stream;
mod health;
mod discovery;
mod predictions;
mod trainings;
mod router;
pub mod listen;

pub use activity::Patience;
pub use application::{Limits, Settings};
pub use router::router;
