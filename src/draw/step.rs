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
use super::objective::{DeviceOutcome, Objective, ViewFeatures, ViewOutcome};
use crate::clip::{
    BatchPart, Clip, ClipError, Encoded, EncodedGradient, EncoderBatch, ViewGroup,
    forward_backward_all,
};
use crate::compute::to_host;
use crate::render::cpu::warp::ViewBatch;
use crate::render::view::ViewTransform;
use crate::render::{RenderError, Renderer, Scene, renderer_for};
use crate::scene::{Picture, StrokeGradient};

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
    let side = clip.input_size() as usize;
    let targets = drawings.iter().zip(views).map(|(drawing, views)| {
        let objective = &drawing.objective;
        let picture = objective.picture();
        let picture = picture.map(|picture| views_of(picture, views, side));
        let picture = picture.transpose();
        Ok(DrawingTarget {
            objective,
            picture: picture.map_err(ClipError::while_doing("storing views of a picture"))?,
        })
    });
    let targets = targets.collect::<Result<Vec<_>, ClipError>>()?;
    let pass = ClipPass::run(rendered.views(), clip.batches(&groups)?, &groups, &targets)?;
    let gradients = rendered.backward(&pass.gradient)?;
    let values = pass.results.flatten().and_then(|values| to_host(&values));
    let values = values.map_err(ClipError::while_doing("copying losses from the device"))?;
    let outcomes = pass.results.by_drawing(&values, drawings.len());
    Ok(outcomes.into_iter().zip(gradients).collect())
}

/// Views of a picture, `[n, 3, side, side]`, on the processor. The same warps are taken of the drawing.
fn views_of(picture: &Picture, views: &[ViewTransform], side: usize) -> Result<Tensor, TchError> {
    let values = ViewBatch::new(picture, views, side).values;
    let side = side as i64;
    Tensor::f_from_slice(&values)?.f_reshape([-1, 3, side, side])
}

/// What the views of a drawing are compared with.
#[derive(Debug)]
pub(super) struct DrawingTarget<'a> {
    pub(super) objective: &'a Objective,
    /// The same views of the picture that a term compares them with, `[n, 3, R, R]`.
    pub(super) picture: Option<Tensor>,
}

impl<'a> DrawingTarget<'a> {
    /// For an objective without a picture.
    pub(super) fn without_picture(objective: &'a Objective) -> Self {
        Self {
            objective,
            picture: None,
        }
    }

    /// That of some of the views, for another thread.
    fn part(&self, part: &BatchPart) -> Result<PartTarget, TchError> {
        let count = part.views.end - part.views.start;
        let picture = self.picture.as_ref();
        let picture = picture.map(|views| views.f_narrow(0, part.first as i64, count));
        Ok(PartTarget {
            objective: self.objective.clone(),
            picture: picture.transpose()?,
        })
    }
}

/// What the views of a part of a batch are compared with.
#[derive(Debug)]
struct PartTarget {
    objective: Objective,
    picture: Option<Tensor>,
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
    /// Encodes the views of the drawings with these targets, which lie one after the other in `views`.
    pub(super) fn run(
        views: &Tensor,
        batches: Vec<EncoderBatch>,
        groups: &[ViewGroup],
        targets: &[DrawingTarget<'_>],
    ) -> Result<Self, ClipError> {
        let batches = batches.into_iter().map(|batch| {
            let own = batch.parts().iter();
            let own = own.map(|part| targets[part.group].part(part));
            let own = own.collect::<Result<Vec<_>, _>>()?;
            Ok((batch, own))
        });
        let batches = batches
            .collect::<Result<_, _>>()
            .map_err(ClipError::while_doing("dividing views of pictures"))?;
        let results = forward_backward_all(views, batches, |batch, encoded, targets| {
            let features = features(batch, encoded, &targets)?;
            losses_and_gradient(
                batch.parts(),
                &encoded.embeddings(),
                &targets,
                features.as_ref(),
            )
            .map_err(ClipError::while_doing("computing losses"))
        })?;
        let (parts, gradients): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let scales = targets.iter().map(|target| target.objective.scale());
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

/// The features of the views of a batch and of its pictures.
#[derive(Debug)]
struct BatchFeatures {
    /// Of all views, `[n, ...]`.
    views: [Tensor; 2],
    /// For each part those of the same views of its picture, if it has one.
    pictures: Vec<Option<[Tensor; 2]>>,
}

/// `None` if no part has a picture.
fn features(
    batch: &EncoderBatch,
    encoded: &Encoded,
    targets: &[PartTarget],
) -> Result<Option<BatchFeatures>, ClipError> {
    if targets.iter().all(|target| target.picture.is_none()) {
        return Ok(None);
    }
    let pictures = batch.parts().iter().zip(targets).map(|(part, target)| {
        let views = target.picture.as_ref();
        views.map(|views| batch.features(part, views)).transpose()
    });
    Ok(Some(BatchFeatures {
        views: encoded.features()?,
        pictures: pictures.collect::<Result<_, _>>()?,
    }))
}

impl BatchFeatures {
    /// Those of a part, whose gradient flows to the features of all views.
    fn part(&self, index: usize, part: &BatchPart) -> Result<Option<ViewFeatures>, TchError> {
        let Some([outer, inner]) = &self.pictures[index] else {
            return Ok(None);
        };
        let length = part.views.end - part.views.start;
        let own = |layer: usize| self.views[layer].f_narrow(0, part.views.start, length);
        let picture = [outer.shallow_clone(), inner.shallow_clone()];
        Ok(Some(ViewFeatures::new(
            [own(0)?, own(1)?],
            picture,
            &part.towers,
        )))
    }
}

/// The results of the objective of each part of a batch, and the gradient of all of them with respect
/// to the embeddings, `[n, E]`, and to the features, if there are any, in units of each drawing's scale.
fn losses_and_gradient(
    parts: &[BatchPart],
    embeddings: &Tensor,
    targets: &[PartTarget],
    features: Option<&BatchFeatures>,
) -> Result<(Vec<(usize, DeviceOutcome)>, EncodedGradient), TchError> {
    let embeddings = embeddings.f_set_requires_grad(true)?;
    let mut variables = vec![embeddings.shallow_clone()];
    for views in features.iter().flat_map(|features| &features.views) {
        variables.push(views.f_set_requires_grad(true)?);
    }
    let mut outcomes = Vec::with_capacity(parts.len());
    let mut totals = Vec::with_capacity(parts.len());
    for (index, (part, target)) in parts.iter().zip(targets).enumerate() {
        let length = part.views.end - part.views.start;
        let own = embeddings.f_narrow(0, part.views.start, length)?;
        let features = features.map(|features| features.part(index, part));
        let features = features.transpose()?.flatten();
        let (total, outcome) = target.objective.on_views(&own, features.as_ref())?;
        totals.push(total);
        outcomes.push((part.group, outcome));
    }
    let total = Tensor::f_stack(&totals, 0)?.f_sum(None)?;
    let mut gradients = Tensor::f_run_backward(&[total], &variables, false, false)?.into_iter();
    let gradient = EncodedGradient {
        embeddings: gradients.next().expect("there is one for each variable"),
        features: gradients.next().zip(gradients.next()).map(Into::into),
    };
    Ok((outcomes, gradient))
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
