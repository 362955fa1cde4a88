//! One step of gradient descent, for one drawing or for several at once.
//!
//! ```text
//! strokes --render--> views [N, 3, R, R] --CLIP--> embeddings [N, E] --objective--> losses
//!    ^                     |                            |                              |
//!    +---- Adam <-- gradient on strokes <-- on views <-- on embeddings <---------------+
//! ```

use std::sync::Arc;

use tch::{TchError, Tensor};

use super::drawing::{Drawing, Step};
use super::error::DrawError;
use super::objective::{DeviceOutcome, Objective, ViewOutcome};
use crate::clip::{BatchPart, Clip, ClipError, EncoderBatch, ViewGroup, forward_backward};
use crate::compute::to_host;
use crate::render::view::ViewTransform;
use crate::render::{RenderError, Renderer, Scene, renderer_for};
use crate::scene::StrokeGradient;

impl Drawing {
    /// Moves the strokes by one step, with the renderer that suits the model's device. When all updates are
    /// done, the drawing is evaluated once more instead, so that the last frame has its own losses.
    ///
    /// To move several drawings at once, which costs less, see [`step_together`].
    ///
    /// # Errors
    /// When CLIP or the renderer fails, or a loss or a gradient is not finite.
    pub fn step(&mut self, clip: &Clip) -> Result<Step, DrawError> {
        step_together(clip, &*renderer_for(clip.device()), &mut [self])
            .pop()
            .expect("every drawing has a result")
    }
}

/// Moves every drawing by one step, as [`Drawing::step`] does; the views of all of them go through CLIP
/// together. The results come in the order of the drawings. An error in one drawing does not affect the
/// others, unless CLIP or the renderer itself fails.
pub fn step_together(
    clip: &Clip,
    renderer: &dyn Renderer,
    drawings: &mut [&mut Drawing],
) -> Vec<Result<Step, DrawError>> {
    let views: Vec<Vec<ViewTransform>> = drawings
        .iter_mut()
        .map(|drawing| {
            drawing.begin_step();
            drawing.next_views()
        })
        .collect();
    match evaluate(clip, renderer, drawings, &views) {
        Ok(evaluations) => drawings
            .iter_mut()
            .zip(evaluations)
            .map(|(drawing, (outcome, gradient))| drawing.update(&outcome, &gradient))
            .collect(),
        Err(failure) => drawings
            .iter()
            .map(|drawing| Err(failure.in_step(drawing.step)))
            .collect(),
    }
}

/// A failure after which none of the drawings can continue.
#[derive(Debug, thiserror::Error)]
pub(super) enum SharedFailure {
    #[error(transparent)]
    Clip(Arc<ClipError>),
    #[error(transparent)]
    Render(Arc<RenderError>),
}

impl SharedFailure {
    pub(super) fn in_step(&self, step: usize) -> DrawError {
        match self {
            Self::Clip(cause) => DrawError::Clip {
                step,
                cause: Arc::clone(cause),
            },
            Self::Render(cause) => DrawError::Render {
                step,
                cause: Arc::clone(cause),
            },
        }
    }
}

impl From<ClipError> for SharedFailure {
    fn from(cause: ClipError) -> Self {
        Self::Clip(Arc::new(cause))
    }
}

impl From<RenderError> for SharedFailure {
    fn from(cause: RenderError) -> Self {
        Self::Render(Arc::new(cause))
    }
}

/// The results of the terms on views for each drawing, and their gradient with respect to its
/// strokes.
fn evaluate(
    clip: &Clip,
    renderer: &dyn Renderer,
    drawings: &[&mut Drawing],
    views: &[Vec<ViewTransform>],
) -> Result<Vec<(ViewOutcome, StrokeGradient)>, SharedFailure> {
    let scenes: Vec<Scene<'_>> = drawings
        .iter()
        .zip(views)
        .map(|(drawing, views)| drawing.scene(views))
        .collect();
    let rendered = renderer.forward(&scenes, clip.input_size() as usize)?;
    let groups: Vec<ViewGroup> = drawings
        .iter()
        .map(|drawing| drawing.view_group())
        .collect();
    let objectives: Vec<_> = drawings.iter().map(|drawing| &drawing.objective).collect();
    let pass = ClipPass::run(
        rendered.views(),
        clip.batches(&groups)?,
        &groups,
        &objectives,
    )?;
    let gradients = rendered.backward(&pass.gradient)?;
    let values = pass.results.flatten().and_then(|values| to_host(&values));
    let values = values.map_err(ClipError::while_doing("copying losses from the device"))?;
    let outcomes = pass.results.by_drawing(&values, drawings.len());
    Ok(outcomes.into_iter().zip(gradients).collect())
}

/// CLIP's part of a step: the views of all drawings through CLIP and back. Nothing of it waits for the device.
#[derive(Debug)]
pub(super) struct ClipPass {
    /// The results of the terms on views.
    pub(super) results: ClipResults,
    /// The gradient of the objectives with respect to the views, `[N, 3, R, R]`.
    pub(super) gradient: Tensor,
}

/// The results of the terms on views, on the device.
#[derive(Debug)]
pub(super) struct ClipResults {
    /// The drawing that each outcome belongs to.
    owners: Vec<usize>,
    outcomes: Vec<DeviceOutcome>,
}

impl ClipPass {
    /// Encodes the views of the drawings with these objectives, which lie one after the other in `views`.
    pub(super) fn run(
        views: &Tensor,
        batches: Vec<EncoderBatch>,
        groups: &[ViewGroup],
        objectives: &[&Objective],
    ) -> Result<Self, ClipError> {
        let batches = batches.into_iter().map(|batch| {
            let own = batch.parts().iter();
            let own: Vec<_> = own.map(|part| objectives[part.group].clone()).collect();
            (batch, own)
        });
        let results =
            forward_backward(views, batches.collect(), |batch, embeddings, objectives| {
                losses_and_gradient(batch.parts(), embeddings, &objectives)
                    .map_err(ClipError::while_doing("computing losses"))
            })?;
        let (parts, gradients): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let scales = objectives.iter().map(|objective| objective.scale());
        let gradient = scaled(&gradients, groups, scales)
            .map_err(ClipError::while_doing("scaling the gradient on views"))?;
        let (owners, outcomes) = parts.into_iter().flatten().unzip();
        Ok(Self {
            results: ClipResults { owners, outcomes },
            gradient,
        })
    }
}

impl ClipResults {
    /// All of them in one tensor, `[values]`, because every copy from a GPU waits for it.
    pub(super) fn flatten(&self) -> Result<Tensor, TchError> {
        DeviceOutcome::flatten(&self.outcomes)
    }

    /// The results of each drawing, in the values of a flat tensor of such results.
    pub(super) fn by_drawing(&self, values: &[f32], drawings: usize) -> Vec<ViewOutcome> {
        let mut outcomes = vec![ViewOutcome::default(); drawings];
        let results = DeviceOutcome::read(&self.outcomes, values);
        for (owner, outcome) in self.owners.iter().zip(results) {
            outcomes[*owner].extend(outcome);
        }
        outcomes
    }
}

/// The results of the objective of each part of a batch, and the gradient of all of them with respect
/// to the embeddings, `[n, E]`, in units of each drawing's scale.
fn losses_and_gradient(
    parts: &[BatchPart],
    embeddings: &Tensor,
    objectives: &[Objective],
) -> Result<(Vec<(usize, DeviceOutcome)>, Tensor), TchError> {
    let embeddings = embeddings.f_set_requires_grad(true)?;
    let mut outcomes = Vec::with_capacity(parts.len());
    let mut totals = Vec::with_capacity(parts.len());
    for (part, objective) in parts.iter().zip(objectives) {
        let length = part.views.end - part.views.start;
        let own = embeddings.f_narrow(0, part.views.start, length)?;
        let (total, outcome) = objective.on_views(&own)?;
        totals.push(total);
        outcomes.push((part.group, outcome));
    }
    let total = Tensor::f_stack(&totals, 0)?.f_sum(None)?;
    let gradient = Tensor::f_run_backward(&[total], &[&embeddings], false, false)?;
    Ok((outcomes, gradient[0].shallow_clone()))
}

/// The gradients of all batches in one tensor, `[N, 3, R, R]`, those of each group times its scale.
fn scaled(
    gradients: &[Tensor],
    groups: &[ViewGroup],
    scales: impl Iterator<Item = f32>,
) -> Result<Tensor, TchError> {
    let gradient = Tensor::f_cat(gradients, 0)?;
    let mut first = 0;
    for (group, scale) in groups.iter().zip(scales) {
        let count = group.count as i64;
        let mut own = gradient.f_narrow(0, first, count)?;
        let _ = own.f_mul_scalar_(f64::from(scale))?;
        first += count;
    }
    Ok(gradient)
}
