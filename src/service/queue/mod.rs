//! The queue between the service, which accepts predictions, and the workers that draw them.

mod interface;
mod in_memory;

pub use in_memory::InMemoryQueue;
pub use interface::{Depth, Lease, PushError, Queue};
