//! What a program needs that writes weight files or trains towers of this library's kinds.
//!
//! Not for drawing: [`Clip`](super::Clip) reads weight files by itself.

pub use super::checkpoint::detect::{
    activation as detect_activation, shapes, text as detect_text, tower_branch,
};
pub use super::checkpoint::safetensors::{SCALE, dequantize, read as read_safetensors};
pub use super::checkpoint::{Checkpoint, read_bytes};
pub use super::image::efficient_net::{BlockSize, pad};
pub use super::layers::NORM_EPSILON;
