//! From strokes to the views that CLIP sees, and from a gradient on the views back to the strokes.
//!
//! [`Renderer`] is the interface: an implementation may keep views and gradients on the device that
//! CLIP computes on.

pub mod view;
mod error;
mod run;
mod renderer;
pub mod cpu;
pub mod cuda;

pub use error::RenderError;
pub use renderer::{Rendered, Renderer, Scene};
pub use run::{
    CenterPenalty, GradientSource, MovedScene, RunScene, RunStep, StepReport, StrokeRun, StrokeRuns,
};

use tch::Device;

/// The renderer for drawings whose CLIP computes on `device`: kernels on a CUDA device, and the processor for all
/// others.
pub fn renderer_for(device: Device) -> Box<dyn Renderer> {
    match device {
        Device::Cuda(index) => Box::new(cuda::CudaRenderer::new(index)),
        _ => Box::new(cpu::CpuRenderer),
    }
}
