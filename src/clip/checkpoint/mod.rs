//! Weight files of every layout, read as tensors under OpenAI's names.

mod tensors;
mod pickle;
pub(crate) mod safetensors;
pub(crate) mod torch;
pub(crate) mod hugging_face;
pub(crate) mod detect;
pub(crate) mod weights;

pub use tensors::{Checkpoint, read_bytes};
