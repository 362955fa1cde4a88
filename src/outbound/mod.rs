//! What leaves the server of its own accord: requests to addresses that callers choose.
//!
//! A caller names the receiver of webhooks and the place for files, so every request out is held
//! against a [`Policy`]: at the door, so that the caller learns of a refusal at once; when a name
//! has been resolved, since only then the real address is known; and at every redirect.

pub mod address;
pub mod policy;
mod resolver;
pub mod schedule;
pub mod client;
pub mod upload;

pub use client::{Client, ClientError, SendError, Settings, Timeouts};
pub use policy::{AddressError, HostPattern, OutboundError, Policy, PrivateAddresses};
pub use schedule::Schedule;
pub use upload::{Place, UploadError, Uploader};
