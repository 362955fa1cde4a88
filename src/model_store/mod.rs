//! The published CLIP weights: which exist, which are on this machine, and how to download the others.
//!
//! One model is embedded in the program. The full-size ones were published by `OpenAI`, and
//! [`fetch()`] downloads them; [`fetch_from_hub()`] downloads others. [`choose()`] finds the weights to
//! load. Nothing here reads the tensors of a weights file: only its SHA-256, and its first bytes and size,
//! to detect files that cannot be weights.

pub mod registry;
mod hub_model;
mod error;
mod contents;
mod folders;
mod checksum;
mod verify;
mod inventory;
mod passed_over;
mod partial_file;
mod transfer;
mod fetch;
mod hub_listing;
mod hub_fetch;
mod choose;

pub use checksum::{sha256_of_file, sha256_of_files};
pub use choose::choose;
pub use error::{StoreError, TransferError};
pub use fetch::{FetchEvent, FetchRequest, RetryPolicy, fetch};
pub use folders::Folders;
pub use hub_fetch::{HubRequest, fetch_from_hub};
pub use hub_model::HubModel;
pub use inventory::{InventoryEntry, ModelLocation, inventory};
pub use passed_over::passed_over;
pub use verify::{Verification, verify, weights_files};
