//! From strokes to the views that CLIP sees, and from a gradient on the views back to the strokes.
//!
//! [`Renderer`] is the interface: an implementation may keep views and gradients on the device that
//! CLIP computes on.

pub mod view;
mod renderer;
pub mod cpu;

pub use renderer::{RenderError, Rendered, Renderer, Scene};

use tch::Device;

/// The renderer for drawings whose CLIP computes on `device`. Today that is [`cpu::CpuRenderer`]
/// everywhere.
pub fn renderer_for(_device: Device) -> Box<dyn Renderer> {
    Box::new(cpu::CpuRenderer)
}
