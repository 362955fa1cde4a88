//! The image encoder: views to unit vectors, and a gradient on the vectors back to the views.

pub(crate) mod vit;
pub(crate) mod resnet;
pub(crate) mod efficient_net;
mod encoder;
mod batch;

pub use batch::{BatchPart, EncoderBatch, ViewGroup, forward_backward};
pub use encoder::Encoded;
pub(crate) use encoder::{ImageEncoder, unit};
