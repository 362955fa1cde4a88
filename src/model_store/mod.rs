//! Which CLIP weights there are, which of them lie on this machine, and how to get the others.
//!
//! One model ships inside the program; `OpenAI` published the full-size ones, and [`fetch()`]
//! brings them. [`choose()`] turns what a person asked for into something to load. Nothing here
//! looks inside a weights file beyond its SHA-256.

pub mod registry;
mod error;
mod folders;
pub mod checksum;
mod verify;
mod inventory;
mod part;
mod transfer;
mod fetch;
mod choose;

pub use choose::choose;
pub use error::{StoreError, TransferError};
pub use fetch::{Event, FetchRequest, RetryPolicy, fetch};
pub use folders::Folders;
pub use inventory::{Entry, Place, inventory};
pub use verify::{Verdict, verify, weights_files};
