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
use crate::clip::{BatchPart, Clip, ClipError, ViewGroup, forward_backward};
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
        .map(|drawing| drawing.next_views())
        .collect();
    match evaluate(clip, renderer, drawings, &views) {
        Ok(evaluations) => drawings
            .iter_mut()
            .zip(evaluations)
            .map(|(drawing, (outcome, gradient))| drawing.update(&outcome, &gradient))
            .collect(),
        Err(failure) => drawings
            .iter()
            .map(|drawing| Err(failure.in_step(drawing.updates())))
            .collect(),
    }
}

/// A failure after which none of the drawings can continue.
enum SharedFailure {
    Clip(Arc<ClipError>),
    Render(Arc<RenderError>),
}

impl SharedFailure {
    fn in_step(&self, step: usize) -> DrawError {
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
    let batches = clip.batches(&groups).into_iter().map(|batch| {
        let own = batch.parts().iter();
        let objectives: Vec<_> = own
            .map(|part| drawings[part.group].objective().clone())
            .collect();
        (batch, objectives)
    });
    let results = forward_backward(
        rendered.views(),
        batches.collect(),
        |batch, embeddings, objectives| {
            losses_and_gradient(batch.parts(), embeddings, &objectives)
                .map_err(ClipError::while_doing("computing losses"))
        },
    )?;
    let (parts, gradients): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let scales = drawings.iter().map(|drawing| drawing.objective().scale());
    let gradient = scaled(&gradients, &groups, scales)
        .map_err(ClipError::while_doing("scaling the gradient on views"))?;
    let gradients = rendered.backward(&gradient)?;
    let (owners, results): (Vec<_>, Vec<_>) = parts.into_iter().flatten().unzip();
    let results = DeviceOutcome::to_host(&results)
        .map_err(ClipError::while_doing("copying losses from the device"))?;
    let mut outcomes = vec![ViewOutcome::default(); drawings.len()];
    for (group, outcome) in owners.into_iter().zip(results) {
        outcomes[group].extend(outcome);
    }
    Ok(outcomes.into_iter().zip(gradients).collect())
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
