//! Turns a prompt into a vector drawing: strokes on a canvas are moved by gradient descent through
//! a CLIP model until CLIP reads the prompt in the picture (CLIPDraw, Frans et al. 2021).
//!
//! Map of the house: a module may use only the modules listed above it.

pub mod errors;
pub mod backoff;
pub mod tls;
pub mod environment;
pub mod suggest;
pub mod telemetry;
pub mod scene;
pub mod compute;
pub mod render;
pub mod clip;
pub mod draw;
pub mod output;
pub mod inputs;
pub mod cog;
pub mod model_store;
pub mod service;
pub mod delivery;
pub mod http;
pub mod command;
