//! The trait [`StrokeRun`]: steps in which strokes stay on the renderer's device.
//!
//! Between two frames nobody needs the strokes on the host. So a renderer may keep them, and move them by Adam itself:
//!
//! ```text
//!            load        select_step  forward          update     keep_report       finish
//!   host ----------+                                                          +-----------> host
//!                  |      +--> views --> CLIP --> gradient --> strokes --+    |
//!   device         +------+                                              +----+
//!                         +------------------ once a step ---------------+
//! ```
//!
//! [`StrokeRun::forward`] and [`StrokeRun::update`] only start work on the device, always with the same
//! memory, so what they start can be captured once and repeated.

use tch::Tensor;

use super::error::RenderError;
use super::view::ViewTransform;
use crate::optimizer::{Adam, Rates};
use crate::scene::{Canvas, Strokes};

/// A drawing whose strokes are moved by a run.
#[derive(Debug, Clone, Copy)]
pub struct RunScene<'a> {
    /// The strokes in painter's order, as they are before the first step.
    pub strokes: &'a Strokes,
    /// The state of their optimizer.
    pub adam: &'a Adam,
    /// What they are painted on.
    pub canvas: &'a Canvas,
    /// Minimum and maximum half width, in canvas pixels.
    pub half_widths: [f32; 2],
    /// The penalty on points that are far from a center.
    pub penalty: Option<CenterPenalty>,
    /// What differs from step to step; as many steps as in the other scenes of the run, at least one.
    pub steps: &'a [RunStep],
}

/// What differs from step to step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStep {
    /// The views that are taken of the picture; as many in every step, at least one.
    pub views: Vec<ViewTransform>,
    /// The learning rates.
    pub rates: Rates,
}

/// The penalty `weight * sum over points of relu(distance - threshold)^power`, distances in units of `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CenterPenalty {
    /// The center in canvas pixels.
    pub center: [f64; 2],
    /// The unit of distances, in canvas pixels.
    pub scale: f64,
    /// The distance without penalty.
    pub threshold: f64,
    /// The exponent, at least 1.
    pub power: f64,
    /// The weight of the penalty of one point.
    pub weight: f64,
}

/// A scene after a run.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedScene {
    /// The strokes after the last step. After a step whose gradient was not finite they do not move any more.
    pub strokes: Strokes,
    /// The state of their optimizer.
    pub adam: Adam,
    /// What each step reports.
    pub steps: Vec<StepReport>,
}

/// What one step of a run reports of one scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The value of [`RunScene::penalty`]; 0 without one.
    pub penalty: f64,
    /// Which gradient was infinite or NaN.
    pub not_finite: Option<GradientSource>,
}

/// Where a part of the gradient on strokes comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientSource {
    /// The gradient on the views.
    Views,
    /// [`RunScene::penalty`].
    Penalty,
}

/// A renderer that can keep strokes on its device.
pub trait StrokeRuns {
    /// Memory for runs of scenes of these sizes, with views of `image_size` pixels. These scenes are loaded into it.
    ///
    /// # Errors
    /// When the device fails, for example because it is out of memory.
    fn start_run(
        &self,
        scenes: &[RunScene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn StrokeRun>, RenderError>;

    /// About how much of the device's memory a scene needs in a run, in bytes: `strokes` strokes on a canvas, and
    /// `views` views of `image_size` pixels.
    fn memory_of(&self, canvas: &Canvas, strokes: usize, views: usize, image_size: usize) -> u64;
}

/// Memory for runs of scenes of certain sizes. For one run after the other, the calls are
/// [`StrokeRun::load`], unless the memory is new, then for each step [`StrokeRun::select_step`], [`StrokeRun::forward`],
/// [`StrokeRun::update`] and [`StrokeRun::keep_report`], and [`StrokeRun::finish`].
pub trait StrokeRun {
    /// Sends scenes to the device. Returns whether they fit: they must have the sizes of the scenes that the memory was
    /// made for.
    ///
    /// # Errors
    /// When the device fails.
    fn load(&mut self, scenes: &[RunScene<'_>]) -> Result<bool, RenderError>;

    /// Chooses the step of the run, counted from 0, that the next calls work on.
    ///
    /// # Errors
    /// When the device fails.
    fn select_step(&mut self, step: usize) -> Result<(), RenderError>;

    /// Renders the views of the step into [`StrokeRun::views`].
    ///
    /// # Errors
    /// When the device fails.
    fn forward(&self) -> Result<(), RenderError>;

    /// The views of all scenes, `[N, 3, R, R]`, 32-bit sRGB values from 0 to 1, always in the same memory.
    fn views(&self) -> &Tensor;

    /// Moves the strokes by the gradient of a loss with respect to the views (`[N, 3, R, R]`, 32-bit, on the
    /// renderer's device).
    ///
    /// # Errors
    /// When the device fails.
    fn update(&self, view_gradient: &Tensor) -> Result<(), RenderError>;

    /// Keeps what the step reports until the end of the run.
    ///
    /// # Errors
    /// When the device fails.
    fn keep_report(&mut self) -> Result<(), RenderError>;

    /// Waits for the device and returns the scenes after the run; `None` if there was too little memory for what is only
    /// counted on the device. Then the run has to be repeated from its beginning, with new memory from the renderer, which
    /// will have enough.
    ///
    /// # Errors
    /// When the device fails.
    fn finish(&mut self) -> Result<Option<Vec<MovedScene>>, RenderError>;
}
