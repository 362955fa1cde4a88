//! One test binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed as it should"
)]

mod animation;
mod browser;
mod certificates;
mod check;
mod checkpoint_copies;
mod checkpoint_refusals;
mod checkpoints;
mod cli;
mod clip_loading;
mod clip_parity;
mod clip_tokenizer;
mod compute;
#[path = "../conformance/mod.rs"]
mod conformance;
mod connections;
mod contrast;
mod crowd;
mod drawing_response;
mod routes;
mod draw;
mod failures;
mod file_inputs;
mod fuzz_corpus;
mod http;
mod image;
mod import;
mod init_svg;
mod kernels;
mod ink;
mod layers;
mod load;
mod many;
mod read_only_disk;
mod openapi;
mod pictures;
mod docs_in_browser;
mod plot;
mod raster;
mod readme;
mod rejections;
mod schemathesis;
mod serve;
mod service;
mod shared_tensors;
mod sigterm;
mod sse;
mod store;
mod studio;
mod support;
mod svg_costs;
mod svg_features;
mod svg_of_programs;
mod upload;
mod webhook;
mod weights;
mod weights_hub;
mod weights_hub_token;
