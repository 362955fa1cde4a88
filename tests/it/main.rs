//! One test binary.
mod compute;
mod layers;
mod draw;
mod cli;
mod clip_loading;
mod clip_parity;
mod clip_tokenizer;
mod file_server;
mod weights;
