//! What tests share: a server, an engine that obeys its prompts, a file server, a browser.

pub mod devtools;
pub mod fake_engine;
pub mod file_server;
pub mod server;
