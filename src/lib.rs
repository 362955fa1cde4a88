//! Turns a prompt into a vector drawing: strokes on a canvas are moved by gradient descent through
//! a CLIP model until CLIP reads the prompt in the picture (CLIPDraw, Frans et al. 2021).
//!
//! Map of the house: a module may use only the modules listed above it.

pub mod settings;
pub mod telemetry;
pub mod scene;
pub mod raster;
pub mod encode;
pub mod compute;
pub mod clip;
pub mod augment;
pub mod draw;
pub mod prediction;
pub mod model_store;
pub mod outbound;
pub mod service;
pub mod webhook;
pub mod http;
#[cfg(feature = "training")]
pub mod training;
pub mod command;
