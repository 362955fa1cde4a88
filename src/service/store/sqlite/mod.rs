//! A store in a file, which outlives the process: SQLite with a write-ahead log.
//!
//! One thread owns the connection that writes. It takes all operations that have queued up, commits them together
//! (`synchronous=FULL`, so they survive a power cut), and then answers. A second connection reads.
//!
//! An operation that somebody waits for and may refuse, such as the acceptance of a prediction, fails if the disk is
//! full. The others (events, ends, requests to cancel) wait in memory, in order, until there is room again. If the disk is
//! full when the file is opened, it is only read, and opened again for writing once there is room.

mod lock;
mod room;
mod schema;
mod connect;
mod open;
mod operation;
mod message;
mod commit;
mod writer;
mod read;
mod list;
mod durable;
#[cfg(test)]
mod tests;

pub use durable::SqliteStore;
pub use open::OpenError;
