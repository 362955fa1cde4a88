//! The store of predictions: it keeps them while they are unfinished and for some time afterwards.

pub(crate) mod codec;
mod list;
mod interface;
mod in_memory;
mod sqlite;

pub use in_memory::InMemoryStore;
pub use interface::{InsertError, Leftover, Leftovers, Store, StoreError, Undelivered};
pub use list::{Cursor, CursorError, ListQuery, Page};
pub use sqlite::{OpenError, SqliteStore};
