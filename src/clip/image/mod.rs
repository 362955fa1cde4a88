//! The image encoder: maps views to unit vectors, and the gradient with respect to the vectors back
//! to the views.

mod blocks;
pub(crate) mod vit;
pub(crate) mod resnet;
pub(crate) mod efficient_net;
mod native;
mod encoder;
mod batch;

pub use batch::{BatchPart, EncoderBatch, ViewGroup, forward_backward, forward_backward_all};
pub use encoder::{Encoded, EncodedGradient};
pub(crate) use encoder::{ImageEncoder, TowerViews, unit};
