//! One test binary.
mod layers;
