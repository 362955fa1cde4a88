//! Animations: how a drawing came about, or how it is drawn stroke by stroke. Frames are encoded as they come, so that
//! an animation never has all its pictures in memory.

mod options;
mod svg;
mod changes;
mod gif;
mod webp;
mod raster;
mod encoder;

pub use encoder::AnimationEncoder;
pub use options::{AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle};
