//! What leaves the server of its own accord: requests to addresses that callers choose.
//!
//! A caller names the receiver of webhooks and the place for files, so every request out is held
//! against a [`Policy`]: at the door, so that the caller learns of a refusal at once; when a name
//! has been resolved, since only then the real address is known; and at every redirect.

pub mod address;
pub mod error;
pub mod host_pattern;
pub mod policy;
mod resolver;
pub mod client;
pub mod upload;
pub mod files;
pub mod webhook;

pub use client::{Client, Settings, Timeouts};
pub use error::{AddressError, ClientError, OutboundError, SendError};
pub use files::Files;
pub use host_pattern::{HostPattern, HostPatternError};
pub use policy::{Policy, PrivateAddresses};
pub use upload::{Place, UploadError, Uploader};
