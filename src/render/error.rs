//! Errors of renderers.

use tch::TchError;

use crate::compute::cuda::CudaError;

/// Why strokes could not be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// libtorch failed, most often because the device is out of memory.
    #[error("libtorch failed while {doing}")]
    Torch {
        /// The operation that failed.
        doing: &'static str,
        /// libtorch's error.
        #[source]
        cause: TchError,
    },
    /// The kernels of the CUDA renderer could not be compiled or run.
    #[error("the CUDA renderer failed")]
    Cuda(#[from] CudaError),
    /// A stroke is too long for the CUDA renderer.
    #[error("a stroke has {found} control points, and the CUDA renderer takes {limit} at most")]
    TooManyPoints {
        /// The number of control points.
        found: usize,
        /// The largest number.
        limit: usize,
    },
    /// The scenes of a batch have more pixels than 32-bit indices can count.
    #[error("the drawings of this step are too large to be rendered together on a CUDA device")]
    BatchTooLarge,
}

impl RenderError {
    /// Adds the failed operation to libtorch's error, for use in `map_err`.
    pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(TchError) -> Self {
        move |cause| Self::Torch { doing, cause }
    }
}
