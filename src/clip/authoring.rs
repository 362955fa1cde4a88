//! Helpers for programs that write weight files, or that train towers of the kinds in this library.
//!
//! They are not needed to draw: [`Clip`](super::Clip) reads weight files itself.

pub use super::checkpoint::detect::{
    activation as detect_activation, shapes, text as detect_text, tower_branch,
};
pub use super::checkpoint::safetensors::{SCALE, dequantize, read as read_safetensors};
pub use super::checkpoint::{Checkpoint, read_bytes, read_checkpoint_bytes};
pub use super::config::NORM_EPSILON;
pub use super::image::efficient_net::{InvertedResidualSize, pad};
