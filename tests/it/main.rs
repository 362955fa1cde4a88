//! One test binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed as it should"
)]

mod browser;
mod cli;
mod clip_loading;
mod clip_parity;
mod clip_tokenizer;
mod compute;
#[path = "../conformance/mod.rs"]
mod conformance;
mod connections;
mod contrast;
mod devtools;
mod doors;
mod draw;
mod fake_engine;
mod faults;
mod file_server;
mod http;
mod image;
mod layers;
mod load;
mod no_files;
mod openapi;
mod page;
mod raster;
mod readme;
mod refusals;
mod schemathesis;
mod serve;
mod service;
mod sigterm;
mod site;
mod sse;
mod upload;
mod webhook;
mod weights;
