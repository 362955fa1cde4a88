//! Rendering on a CUDA device: the kernels in `kernels/`, and what prepares their memory and starts them.
//!
//! Views and the gradient on them never leave the device; only strokes go there and their gradient comes back. What the
//! kernels compute is what [`super::cpu`] computes, in the same order of operations: pictures, views and
//! the gradient on pictures have the same bits where a device rounds as IEEE 754 says, and the gradient
//! on strokes differs in the order of its sums.
//!
//! [`KernelRenderer`] is everything but the start of a kernel, which is a [`Launcher`]'s. So the tests run all of it
//! on the processor, with the kernels compiled as C++.

mod source;
mod layout;
mod launcher;
mod room;
mod estimate;
mod packing;
mod memory;
mod passes;
mod run_packing;
mod kernel_run;
mod kernel_renderer;
mod cuda_renderer;

pub use cuda_renderer::CudaRenderer;
pub use kernel_renderer::KernelRenderer;
pub use launcher::Launcher;
pub use layout::{Batch, SIZES, Sizes};
pub use room::Room;
pub use source::{Kernel, kernel_source};
