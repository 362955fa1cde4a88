//! The trait of the terms of the objective, and what terms are created from.

use std::fmt;

use tch::{TchError, Tensor};

use crate::clip::Clip;
use crate::draw::WeightedPrompt;
use crate::draw::losses::PromptLoss;
use crate::draw::preset::Preset;
use crate::render::CenterPenalty;
use crate::scene::{Canvas, Picture, StrokeGradient, Strokes};

/// A term of the objective: a name, a value and a gradient.
///
/// A term on views returns its value as a differentiable tensor, and libtorch finds the gradient. A term on
/// strokes returns its value and adds its gradient itself.
pub trait Term: fmt::Debug + Send {
    /// The name under which its value is reported.
    fn name(&self) -> &'static str;

    /// A copy for another thread, which shares the tensors.
    fn share(&self) -> Box<dyn Term>;

    /// The loss of each view, `[n]`, in units of [`Term::scale`], as a function of the embeddings and
    /// the features; `None` for a term that does not depend on views.
    ///
    /// # Errors
    /// When libtorch fails.
    fn on_views(&self, _views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        Ok(None)
    }

    /// What a loss of 1 in [`Term::on_views`] counts in the objective: by default the scale of the target.
    fn scale(&self, target: &Target) -> f32 {
        target.scale
    }

    /// A picture on the canvas of the drawing, `[3, H, W]`, whose features [`Term::on_views`] needs for the views of the drawing.
    /// At most one term of an objective has one, and only if it is [`StrokePart::Host`]: its views are taken on the host.
    fn picture(&self) -> Option<&Picture> {
        None
    }

    /// Adds the gradient of the term with respect to the strokes to `gradient`, and returns the term's
    /// value; 0 for a term that does not depend on strokes.
    fn on_strokes(
        &self,
        _strokes: &Strokes,
        _canvas: &Canvas,
        _gradient: &mut StrokeGradient,
    ) -> f64 {
        0.0
    }

    /// What a renderer that keeps strokes on its device has to know about the term, to move the strokes of a drawing
    /// with `strokes` strokes itself. The default, [`StrokePart::Host`], makes every step return to the host.
    fn stroke_part(&self, _canvas: &Canvas, _strokes: usize) -> StrokePart {
        StrokePart::Host
    }

    /// Moves strokes by a step of the term's own, after that of the optimizer. `done` is the part of all updates that are done
    /// with this one, up to 1. A term that does so is [`StrokePart::Host`].
    fn after_update(&mut self, _strokes: &mut Strokes, _done: f64) {}

    /// How the value is divided among prompts, from the unit vectors of all views, `[N, E]`; empty for a
    /// term that does not belong to prompts.
    fn prompts(&self, _embeddings: &[f32]) -> Vec<PromptLoss> {
        Vec::new()
    }

    /// Whether the term is turned on; log lines leave out a term that is not.
    fn is_active(&self) -> bool {
        true
    }

    /// The name of the term in an error message, after "the".
    fn description(&self) -> String {
        format!("{} term", self.name())
    }
}

/// How a term depends on strokes, for a renderer that keeps them on its device.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum StrokePart {
    /// Not at all.
    Independent,
    /// By a penalty that renderers know.
    Penalty(CenterPenalty),
    /// In a way that only [`Term::on_strokes`] can compute.
    Host,
}

/// Views as the terms see them.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewEmbeddings<'a> {
    /// Their unit vectors, `[n, E]`, 32-bit.
    pub embeddings: &'a Tensor,
    /// The product of each with [`Target::direction`], `[n]`: minus the cosine with the prompts.
    pub alignment: &'a Tensor,
    /// What inner layers of the image tower make of them, if a term needs it ([`Term::picture`]).
    pub features: Option<&'a ViewFeatures>,
}

/// What inner layers of the image tower make of views of a drawing, and of the same views of a picture.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewFeatures {
    /// The features of the drawing's views, `[n, ...]`, 32-bit, as [`Encoded::features`](crate::clip::Encoded::features) gives
    /// them.
    pub drawing: [Tensor; 2],
    /// The features of the picture's views, of the same shape.
    pub picture: [Tensor; 2],
    /// The number of the tower that encoded each view.
    pub towers: Vec<usize>,
}

impl ViewFeatures {
    /// Features of `n` views that these towers encoded.
    pub(crate) fn new(drawing: [Tensor; 2], picture: [Tensor; 2], towers: &[usize]) -> Self {
        Self {
            drawing,
            picture,
            towers: towers.to_vec(),
        }
    }
}

/// The gradient of the prompts' loss with respect to the embedding of a view, as a unit vector and a
/// length.
///
/// The terms on views are computed in units of the length or of a larger [`Term::scale`], and the gradient is multiplied by it
/// only after it has passed through CLIP, because the weights of prompts could exceed the range of half precision.
#[derive(Debug)]
#[non_exhaustive]
pub struct Target {
    /// The direction in which the loss grows, `[E]`, of length 1, or all zeros if no prompt has a weight;
    /// on the model's device.
    pub direction: Tensor,
    /// Its length.
    pub scale: f32,
}

impl Target {
    /// The target of some prompts: minus the sum of their embeddings, times their weights.
    pub(super) fn new<'a>(
        clip: &Clip,
        prompts: impl Iterator<Item = &'a EncodedPrompt>,
        clip_weight: f64,
    ) -> Self {
        let width = clip.embedding_width() as usize;
        let mut direction = vec![0.0; width];
        for EncodedPrompt {
            prompt, embedding, ..
        } in prompts
        {
            let weight = -prompt.weight * clip_weight as f32;
            for (sum, value) in direction.iter_mut().zip(embedding) {
                *sum += weight * value;
            }
        }
        let squares = direction.iter().map(|value| value * value);
        let length = squares.sum::<f32>().sqrt();
        if length > 0.0 {
            for value in &mut direction {
                *value /= length;
            }
        }
        Self {
            direction: Tensor::from_slice(&direction).to_device(clip.device()),
            scale: length,
        }
    }

    /// A copy that shares the tensor, which never changes.
    pub(super) fn share(&self) -> Self {
        Self {
            direction: self.direction.shallow_clone(),
            scale: self.scale,
        }
    }
}

/// A prompt and its embedding.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodedPrompt {
    /// The prompt.
    pub prompt: WeightedPrompt,
    /// Its unit vector, `[E]`.
    pub embedding: Vec<f32>,
    /// Whether it is the embedding of a picture and not of a text.
    pub is_picture: bool,
}

/// What terms are created from.
#[derive(Debug)]
#[non_exhaustive]
pub struct TermContext<'a> {
    /// The model.
    pub clip: &'a Clip,
    /// The prompts of the drawing.
    pub prompts: &'a [EncodedPrompt],
    /// What the drawing is on.
    pub canvas: &'a Canvas,
    /// The settings that depend on the model.
    pub preset: &'a Preset,
}
