//! One test binary.
mod layers;
mod file_server;
mod weights;
