//! The rasterizer, compared with pictures and gradients that were made without it.

mod reference;
pub(crate) mod scenes;
mod picture;
mod viewer;
mod golden;
mod gradient;
pub(crate) mod extremes;
mod threads;
