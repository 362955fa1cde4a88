//! One test binary.
mod layers;
mod clip_tokenizer;
