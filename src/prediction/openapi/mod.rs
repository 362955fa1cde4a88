//! Stand-in until the branch with the documents is merged.

use serde_json::{Value, json};

/// The version of Cog whose protocol the server speaks.
pub const COG_VERSION: &str = "0.23.1";

/// The document of Cog.
pub fn document() -> Value {
    json!({})
}

/// The document of the whole server.
pub fn complete_document() -> Value {
    json!({})
}
