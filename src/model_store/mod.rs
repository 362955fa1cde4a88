//! The published CLIP weights: which exist, which are on this machine, and how to download the others.
//!
//! One model is embedded in the program. The full-size ones were published by `OpenAI`, and
//! [`fetch()`] downloads them. [`choose()`] finds the weights to load. Nothing here reads the contents
//! of a weights file except for its SHA-256.

pub mod registry;
mod error;
mod folders;
mod checksum;
mod verify;
mod inventory;
mod partial_file;
mod transfer;
mod fetch;
mod choose;

pub use checksum::sha256_of_file;
pub use choose::choose;
pub use error::{StoreError, TransferError};
pub use fetch::{FetchEvent, FetchRequest, RetryPolicy, fetch};
pub use folders::Folders;
pub use inventory::{InventoryEntry, ModelLocation, inventory};
pub use verify::{Verification, verify, weights_files};
