//! What can go wrong with CUDA.

use cudarc::driver::DriverError;
use cudarc::nvrtc::result::NvrtcError;
use thiserror::Error;

use super::libraries::UnmetRequirement;
use crate::compute::accelerator::AcceleratorError;

/// Why kernels could not be compiled or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CudaError {
    /// A library that CUDA needs cannot be used.
    #[error(transparent)]
    Unavailable(#[from] UnmetRequirement),
    /// libtorch does not say on which stream it works.
    #[error("the stream of libtorch is unknown")]
    Stream(#[from] AcceleratorError),
    /// NVRTC does not accept the source; a defect of this program, or an architecture that NVRTC does not know.
    #[error("the kernels could not be compiled for {architecture}: {log}")]
    Compile {
        /// The name of the architecture, such as `sm_75`.
        architecture: String,
        /// What NVRTC says about the source.
        log: String,
        /// NVRTC's error.
        #[source]
        cause: NvrtcError,
    },
    /// NVRTC failed otherwise.
    #[error("NVRTC failed while {doing}")]
    Nvrtc {
        /// What was being done.
        doing: &'static str,
        /// NVRTC's error.
        #[source]
        cause: NvrtcError,
    },
    /// The driver failed.
    #[error("NVIDIA's driver failed while {doing}")]
    Driver {
        /// What was being done.
        doing: String,
        /// The driver's error.
        #[source]
        cause: DriverError,
    },
}

/// Adds the failed operation to the driver's error, for use in `map_err`.
pub(super) fn failed(doing: impl Into<String>) -> impl FnOnce(DriverError) -> CudaError {
    move |cause| CudaError::Driver {
        doing: doing.into(),
        cause,
    }
}
