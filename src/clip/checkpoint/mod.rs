//! Weight files of every layout, read as tensors under OpenAI's names.

mod source;
mod tensors;
mod pickle;
mod header;
pub(crate) mod safetensors;
mod torch;
mod legacy;
mod shards;
mod folder;
mod selection;
mod names;
mod hugging_face;
mod read;
mod model_config;
pub(crate) mod detect;
pub(crate) mod weights;

pub use folder::weights_files;
pub(crate) use model_config::ModelConfig;
pub(crate) use read::read_checkpoint;
pub use read::read_checkpoint_bytes;
pub(crate) use tensors::all_finite;
pub use tensors::{Checkpoint, read_bytes};
