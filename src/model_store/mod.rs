//! Which CLIP weights there are, which of them lie on this machine, and how to get the others.
//!
//! One model ships inside the program; `OpenAI` published the full-size ones, and [`fetch()`]
//! brings them. [`choose()`] turns what a person asked for into something to load. Nothing here
//! looks inside a weights file beyond its SHA-256.

pub mod registry;
pub mod hub_model;
pub mod error;
mod contents;
pub mod folders;
pub mod checksum;
pub mod verify;
pub mod inventory;
pub mod passed_over;
mod part;
mod transfer;
pub mod fetch;
mod hub_listing;
pub mod hub_fetch;
pub mod choose;

pub use choose::choose;
pub use error::StoreError;
pub use fetch::{Event, FetchRequest, RetryPolicy, fetch};
pub use folders::Folders;
pub use hub_fetch::{HubRequest, fetch_from_hub};
pub use hub_model::HubModel;
pub use inventory::{Entry, Place, inventory};
pub use passed_over::passed_over;
pub use registry::{PublishedModel, Source};
pub use verify::{Verdict, verify, weights_files};
