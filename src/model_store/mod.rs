//! Which CLIP weights there are, which of them lie on this machine, and how to get the others.
//!
//! One model ships inside the program; `OpenAI` published the full-size ones, and [`fetch()`]
//! brings them. [`choose()`] turns what a person asked for into something to load. Nothing here
//! looks inside a weights file beyond its SHA-256.

pub mod registry;
pub mod error;
pub mod folders;
pub mod checksum;
pub mod verify;
pub mod inventory;
mod part;
mod transfer;
pub mod fetch;
pub mod choose;

pub use choose::choose;
pub use error::StoreError;
pub use fetch::{Event, FetchRequest, RetryPolicy, fetch};
pub use folders::Folders;
pub use inventory::{Entry, Place, inventory};
pub use registry::{PublishedModel, Source};
pub use verify::{Verdict, verify, weights_files};
