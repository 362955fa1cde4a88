//! Cog's contract on the wire: its OpenAPI document and the entries of its error lists.

mod message;
pub mod detail;
pub mod openapi;

pub use detail::Detail;
