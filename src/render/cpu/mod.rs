//! Rendering on the processor.

pub mod raster;
pub mod warp;
