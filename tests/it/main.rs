//! One test binary.
mod compute;
mod layers;
mod clip_loading;
mod clip_parity;
mod clip_tokenizer;
