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
mod draw;
mod fake_engine;
mod file_server;
mod image;
mod layers;
mod raster;
mod readme;
mod service;
mod upload;
mod weights;
