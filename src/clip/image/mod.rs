//! The image encoder: maps views to unit vectors, and the gradient with respect to the vectors back
//! to the views.

mod blocks;
pub(crate) mod vit;
pub(crate) mod resnet;
pub(crate) mod efficient_net;
mod native;
mod order;
mod tower;
mod encoded;
mod encoder;
mod batch;

pub use batch::{BatchPart, EncoderBatch, ViewGroup, forward_backward, forward_backward_all};
pub use encoded::{Encoded, EncodedGradient};
pub(crate) use encoder::{ImageEncoder, unit};
pub(crate) use order::TowerViews;
pub use tower::{Arithmetic, TowerBackend};
