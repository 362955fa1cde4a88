//! One test binary.
mod layers;
mod draw;
mod clip_parity;
mod clip_tokenizer;
mod file_server;
mod weights;
