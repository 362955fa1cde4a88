//! Shared by the tests: the command, a server, an engine that is controlled by prompts, a file server, a browser.

pub(crate) mod clip_files;
pub(crate) mod command;
pub(crate) mod devtools;
pub(crate) mod fake_engine;
pub(crate) mod file_server;
pub(crate) mod hub_server;
pub(crate) mod interaction;
pub(crate) mod proxy;
pub(crate) mod scores;
pub(crate) mod server;
pub(crate) mod skip;
pub(crate) mod torch_files;
