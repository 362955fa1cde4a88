//! The rasterizer, compared with pictures and gradients that were made without it.

mod reference;
mod scenes;
mod picture;
mod viewer;
mod golden;
mod gradient;
mod extremes;
mod threads;
