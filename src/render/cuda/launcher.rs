//! What starts kernels.

use std::fmt;

use tch::{Device, Kind, TchError, Tensor};

use super::layout::Batch;
use super::source::Kernel;
use crate::compute::cuda::CudaError;

/// Starts kernels on the device whose memory they work on.
pub trait Launcher: fmt::Debug {
    /// The device.
    fn device(&self) -> Device;

    /// Memory on the device for some 32-bit numbers, which may hold anything. libtorch owns it.
    ///
    /// # Errors
    /// When there is not enough memory.
    fn allocate(&self, count: usize) -> Result<Tensor, TchError> {
        Tensor::f_empty([count as i64], (Kind::Float, self.device()))
    }

    /// Starts a kernel on a grid of blocks; y is the scene. It runs after whatever was started before on the
    /// device, operations of libtorch included, and before whatever is started later.
    ///
    /// # Errors
    /// When the driver fails.
    fn launch(&self, kernel: Kernel, grid: [usize; 2], batch: &Batch) -> Result<(), CudaError>;
}
