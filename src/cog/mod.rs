//! Cog's contract on the wire: its OpenAPI document, the entries of its error lists, and the words
//! for the state of predictions and of the server.

mod message;
pub mod detail;
pub mod health;
pub mod status;
pub mod openapi;

pub use detail::Detail;
pub use health::{HealthStatus, Setup, SetupStatus};
pub use status::Status;
