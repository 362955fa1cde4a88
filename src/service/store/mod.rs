//! The store of predictions: it keeps them while they are unfinished and for some time afterwards.

mod interface;
mod in_memory;

pub use in_memory::InMemoryStore;
pub use interface::{InsertError, Store};
