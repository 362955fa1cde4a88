//! The trait [`Renderer`].

use std::fmt;

use tch::Tensor;

use super::error::RenderError;
use super::run::StrokeRuns;
use super::view::ViewTransform;
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

    /// What keeps strokes on the device for several steps; `None` if they are moved on the host after each step.
    fn stroke_runs(&self) -> Option<&dyn StrokeRuns> {
        None
    }
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
