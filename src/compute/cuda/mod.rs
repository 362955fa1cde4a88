//! CUDA kernels of our own: compiled at run time by NVRTC, kept in a cache, launched on libtorch's stream.
//!
//! Nothing of CUDA is needed to build the program or to start it. NVIDIA's driver, NVRTC and libtorch's CUDA library
//! are opened at run time, and [`unmet_requirements`] says which of them is missing.

mod libraries;
mod error;
mod compiler;
mod hardware;
mod cache;
mod module;

pub use cache::KernelCache;
pub use compiler::{Architecture, Compiled, compile};
pub use error::CudaError;
pub use hardware::{CudaDevice, CudaProperties};
pub use libraries::{
    CudaUnavailable, UnmetRequirement, describe, open_libtorch, unmet_requirements,
};
pub use module::KernelModule;
