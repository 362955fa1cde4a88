//! The trait [`Renderer`].

use std::fmt;

use tch::{TchError, Tensor};

use super::view::ViewTransform;
use crate::compute::cuda::CudaError;
use crate::scene::{Canvas, StrokeGradient, Strokes};

/// One drawing as it is rendered in one step.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The strokes in painter's order.
    pub strokes: &'a Strokes,
    /// What they are painted on.
    pub canvas: &'a Canvas,
    /// The views that are taken of the picture, at least one.
    pub views: &'a [ViewTransform],
}

/// Strokes to views and back: paints each scene and resamples its picture into its views.
///
/// The same scenes give the same bytes on the same device, and each scene gives the same bytes
/// regardless of what is rendered together with it.
pub trait Renderer: fmt::Debug {
    /// Renders all views of all scenes, each view a square of `image_size` pixels.
    ///
    /// # Errors
    /// When the device fails, for example because it is out of memory.
    fn forward(
        &self,
        scenes: &[Scene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn Rendered>, RenderError>;
}

/// Rendered views, with the data that the backward pass needs.
pub trait Rendered {
    /// All views, `[N, 3, R, R]`, 32-bit sRGB values from 0 to 1, in the order of the scenes. They lie on
    /// the renderer's device.
    fn views(&self) -> &Tensor;

    /// The gradient of a loss with respect to the strokes of each scene, from its gradient with respect
    /// to the views (`[N, 3, R, R]`, 32-bit, on any device).
    ///
    /// # Errors
    /// When the device fails.
    fn backward(&self, view_gradient: &Tensor) -> Result<Vec<StrokeGradient>, RenderError>;
}

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
