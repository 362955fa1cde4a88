//! Cog's HTTP interface, with the endpoints that this server adds to it.
//!
//! ```text
//! listen -> router -> request_log -> same_origin -> auth -> handlers -> prediction_request, Input -> service
//!                                                           |
//!                                                           +-> 200 with the result, 202, or an event stream
//! ```
//!
//! No handler computes anything. It validates a request, submits it to the service, and follows
//! the prediction.

mod connection_watch;
mod connection_limit;
mod response_body;
mod drain;
mod bounded_json;
mod error;
mod problem;
mod preference;
mod accept;
mod drawing;
mod same_origin;
mod studio;
mod auth;
mod request_log;
mod docs;
mod misplaced;
mod prediction_request;
mod output_budget;
mod completed_event;
mod unanswered;
mod state;
mod request_addresses;
mod follower;
mod stream;
mod health;
mod read_inputs;
mod inputs_check;
mod discovery;
mod predictions;
mod list;
mod trainings;
mod replicate;
mod router;
mod listen;

pub use connection_watch::ConnectionTimeouts;
pub use error::FullStatus;
pub use listen::{ConnectionLimits, serve};
pub use router::{router, worker_router};
pub use state::{CompletedOutput, Dependencies, RequestLimits, ServerConfig, WaitLimits};
