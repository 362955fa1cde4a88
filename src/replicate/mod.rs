//! Replicate's protocol, as far as its clients need it: the JSON of predictions and models, addresses with tokens, and
//! the OpenAPI document.
//!
//! A prediction is the same in Cog's protocol ([`crate::cog`]) and here; only its form differs. `http::replicate` serves
//! it under `/v1`, and `delivery::webhook` sends it to receivers.

mod model_name;
mod progress;
mod addresses;
pub mod openapi;
mod model;
mod message;
mod input_file;

pub use addresses::{Api, FileAddresses, FileToken, Site};
pub use input_file::{DownloadPermit, file_message};
pub use message::{Message, MessageList};
pub use model::{Catalog, ModelEntry, account, only_page};
pub use model_name::{ModelName, ModelNameError};
pub use progress::with_progress;
