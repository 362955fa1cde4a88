//! Cog's protocol: its OpenAPI document, its error details, and its names for the states of
//! predictions and of the server.

mod message;
mod detail;
mod health;
mod status;
pub mod openapi;

pub use detail::{Detail, DetailContext};
pub use health::{HealthStatus, Setup, SetupStatus};
pub use status::Status;
