//! Drawings in the making, and the step that moves several of them at once.

use std::fmt;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use super::centre::add_centre_penalty;
use super::contrast::contrast;
use super::judge::{Judgement, Subject, judge};
use super::loss::{Losses, PromptLoss};
use super::optimizer::{Optimizer, Rates, clamp};
use super::recipe::Recipe;
use super::spec::{Spec, WeightedPrompt};
use crate::clip::{Clip, ClipError, Contrast};
use crate::render::cpu::raster::{Painting, paint};
use crate::render::cpu::warp::{ViewBatch, view_gradient};
use crate::render::view::{ViewTransform, random_views};
use crate::scene::start::strokes_in_style;
use crate::scene::{Picture, Strokes};

/// The random stream of the views; the strokes at the start take stream 0 of the same seed.
const VIEW_STREAM: u64 = 1;

/// Why a drawing cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DrawError {
    /// A prompt cannot be encoded.
    #[error("the prompt `{prompt}` cannot be used")]
    Prompt {
        /// The prompt.
        prompt: String,
        /// What CLIP says of it.
        #[source]
        cause: Arc<ClipError>,
    },
    /// CLIP failed on the views, for example for want of memory.
    #[error("CLIP failed in step {step}")]
    Clip {
        /// Updates done before.
        step: usize,
        /// What went wrong.
        #[source]
        cause: Arc<ClipError>,
    },
    /// A number is infinite or not a number. The strokes are as they were before the step.
    #[error("the {quantity} of the {term} is not finite in step {step}")]
    NotFinite {
        /// The loss or its gradient.
        quantity: Quantity,
        /// Which part of the loss.
        term: Term,
        /// Updates done before.
        step: usize,
    },
}

/// What of a term was not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Its value.
    Loss,
    /// Its gradient.
    Gradient,
}

/// A part of the loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// The CLIP term of one prompt.
    Prompt(WeightedPrompt),
    /// The CLIP terms of all prompts, on their way through the views and the rasterizer.
    Clip,
    /// The contrast with captions of other things.
    Contrast,
    /// The centre constraint.
    Centre,
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Loss => "loss",
            Self::Gradient => "gradient",
        })
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt(prompt) => write!(formatter, "CLIP term for `{}`", prompt.text),
            Self::Clip => formatter.write_str("CLIP terms"),
            Self::Contrast => formatter.write_str("contrast term"),
            Self::Centre => formatter.write_str("centre term"),
        }
    }
}

/// What one call of [`advance`] did for a drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Updates done before the call: the state that the losses and the frame belong to.
    pub step: usize,
    /// The losses of that state.
    pub losses: Losses,
    /// That state, if a frame is due.
    pub frame: Option<Frame>,
    /// Whether all updates are done; the frame is the finished drawing.
    pub finished: bool,
}

/// The strokes after a number of updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Updates done.
    pub step: usize,
    /// The strokes.
    pub strokes: Strokes,
    /// Their losses.
    pub losses: Losses,
}

/// One drawing in the making.
#[derive(Debug)]
pub struct Drawing {
    spec: Spec,
    strokes: Strokes,
    optimizer: Optimizer,
    random: ChaCha8Rng,
    step: usize,
    /// Unit vectors of the prompts, `[E]` each.
    texts: Vec<Vec<f32>>,
    /// What the embedding of each view is multiplied with, `[E]`, of length 1 or 0: half precision
    /// has no room for the weights of prompts.
    direction: Tensor,
    /// The product times this is the CLIP loss.
    strength: f32,
    recipe: Recipe,
    contrast: Option<Contrast>,
    last_losses: Losses,
}

impl Clone for Drawing {
    /// A copy that goes on by itself; the tensor, which never changes, is shared.
    fn clone(&self) -> Self {
        Self {
            spec: self.spec.clone(),
            strokes: self.strokes.clone(),
            optimizer: self.optimizer.clone(),
            random: self.random.clone(),
            step: self.step,
            texts: self.texts.clone(),
            direction: self.direction.shallow_clone(),
            strength: self.strength,
            recipe: self.recipe,
            contrast: self.contrast.clone(),
            last_losses: self.last_losses.clone(),
        }
    }
}

/// What a step sees of one drawing: its picture and the views of it.
struct Look {
    painting: Painting,
    views: Vec<ViewTransform>,
    pixels: ViewBatch,
}

impl Drawing {
    /// Encodes the prompts and lays the random strokes of the seed.
    ///
    /// # Errors
    /// When a prompt has more tokens than CLIP reads.
    pub fn start(clip: &Clip, spec: Spec) -> Result<Self, DrawError> {
        let texts = spec
            .prompts
            .iter()
            .map(|prompt| embed(clip, &prompt.text))
            .collect::<Result<Vec<_>, _>>()?;
        let (direction, strength) = direction(&spec, &texts);
        let recipe = spec.recipe.unwrap_or_else(|| Recipe::for_model(clip));
        let contrast =
            contrast(clip, &texts, recipe.contrast_weight).map_err(|cause| DrawError::Clip {
                step: 0,
                cause: Arc::new(cause),
            })?;
        let mut strokes = strokes_in_style(&spec.canvas, spec.strokes, spec.seed, &recipe.start);
        clamp(&mut strokes, half_width_limits(&spec));
        let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
        random.set_stream(VIEW_STREAM);
        Ok(Self {
            optimizer: Optimizer::new(&strokes),
            strokes,
            random,
            step: 0,
            texts,
            direction: Tensor::from_slice(&direction),
            strength,
            recipe,
            contrast,
            last_losses: Losses::default(),
            spec,
        })
    }

    /// The plan that this drawing follows.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The strokes as they are now, with the losses that were computed last.
    pub fn frame(&self) -> Frame {
        Frame {
            step: self.step,
            strokes: self.strokes.clone(),
            losses: self.last_losses.clone(),
        }
    }

    fn look(&mut self, side: usize) -> Look {
        let canvas = &self.spec.canvas;
        let painting = paint(&self.strokes, canvas);
        let (width, height) = (canvas.width as usize, canvas.height as usize);
        let views = random_views(&mut self.random, self.spec.views, width, height);
        let pixels = ViewBatch::new(painting.picture(), &views, side);
        Look {
            painting,
            views,
            pixels,
        }
    }

    /// Takes in what CLIP says of the look and, unless all updates are done, moves the strokes.
    fn learn(&mut self, look: &Look, judgement: &Judgement) -> Result<Progress, DrawError> {
        let mut gradient = self.strokes.zeros_like();
        let centre = add_centre_penalty(
            &self.spec.centre,
            &self.spec.canvas,
            &self.strokes,
            &mut gradient,
        );
        let losses = self.losses(judgement, centre);
        self.check_losses(&losses)?;
        self.last_losses = losses;
        let step = self.step;
        let finished = step == self.spec.steps;
        let frame =
            (finished || step.is_multiple_of(self.spec.steps_per_frame)).then(|| self.frame());
        if !finished {
            self.check_gradient(&gradient, Term::Centre)?;
            self.add_clip_gradient(look, &judgement.gradient, &mut gradient)?;
            let rates = Rates::at(&self.recipe, step, self.spec.steps, &self.spec.canvas);
            self.optimizer.descend(&mut self.strokes, &gradient, rates);
            clamp(&mut self.strokes, half_width_limits(&self.spec));
            self.step += 1;
        }
        Ok(Progress {
            step,
            losses: self.last_losses.clone(),
            frame,
            finished,
        })
    }

    fn losses(&self, judgement: &Judgement, centre: f64) -> Losses {
        let views = self.spec.views as f64;
        let prompts = self
            .spec
            .prompts
            .iter()
            .zip(&judgement.cosine_sums)
            .map(|(prompt, sum)| PromptLoss {
                prompt: prompt.clone(),
                similarity: sum / views,
                // Adding zero turns -0 into 0.
                loss: -self.spec.clip_weight * f64::from(prompt.weight) * sum + 0.0,
            })
            .collect();
        Losses {
            prompts,
            contrast: f64::from(self.strength) * judgement.contrast_sum,
            centre,
        }
    }

    fn add_clip_gradient(
        &self,
        look: &Look,
        on_views: &ViewBatch,
        gradient: &mut Strokes,
    ) -> Result<(), DrawError> {
        let picture = look.painting.picture();
        let on_picture: Picture =
            view_gradient(on_views, &look.views, picture.width(), picture.height());
        let on_strokes = look.painting.gradient(&on_picture);
        self.check_gradient(&on_strokes, Term::Clip)?;
        add(
            gradient.points.as_flattened_mut(),
            on_strokes.points.as_flattened(),
        );
        add(&mut gradient.half_widths, &on_strokes.half_widths);
        add(
            gradient.colors.as_flattened_mut(),
            on_strokes.colors.as_flattened(),
        );
        Ok(())
    }

    fn check_losses(&self, losses: &Losses) -> Result<(), DrawError> {
        let prompts = losses
            .prompts
            .iter()
            .map(|term| (term.loss, Term::Prompt(term.prompt.clone())));
        let others = [
            (losses.contrast, Term::Contrast),
            (losses.centre, Term::Centre),
        ];
        let mut terms = prompts.chain(others);
        match terms.find(|(loss, _)| !loss.is_finite()) {
            Some((_, term)) => Err(self.not_finite(Quantity::Loss, term)),
            None => Ok(()),
        }
    }

    fn check_gradient(&self, gradient: &Strokes, term: Term) -> Result<(), DrawError> {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if finite(gradient.points.as_flattened())
            && finite(&gradient.half_widths)
            && finite(gradient.colors.as_flattened())
        {
            Ok(())
        } else {
            Err(self.not_finite(Quantity::Gradient, term))
        }
    }

    fn not_finite(&self, quantity: Quantity, term: Term) -> DrawError {
        DrawError::NotFinite {
            quantity,
            term,
            step: self.step,
        }
    }
}

/// The unit vector of a prompt, `[E]`.
fn embed(clip: &Clip, text: &str) -> Result<Vec<f32>, DrawError> {
    let embedding = clip.embed_text(text);
    let values = embedding.and_then(|vector| {
        Vec::try_from(&vector.to_device(Device::Cpu))
            .map_err(ClipError::while_doing("reading a prompt's embedding"))
    });
    values.map_err(|cause| DrawError::Prompt {
        prompt: text.to_owned(),
        cause: Arc::new(cause),
    })
}

/// The direction in which the CLIP loss grows, `[E]`, as a unit vector and its length.
fn direction(spec: &Spec, texts: &[Vec<f32>]) -> (Vec<f32>, f32) {
    let mut direction = vec![0.0; texts[0].len()];
    for (prompt, text) in spec.prompts.iter().zip(texts) {
        let weight = -prompt.weight * spec.clip_weight as f32;
        let terms = direction.iter_mut().zip(text);
        terms.for_each(|(sum, value)| *sum += weight * value);
    }
    let length = direction
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt();
    if length > 0.0 {
        for value in &mut direction {
            *value /= length;
        }
    }
    (direction, length)
}

fn half_width_limits(spec: &Spec) -> [f32; 2] {
    spec.stroke_widths
        .map(|width| 0.5 * width * spec.canvas.scale())
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
}

/// Moves every drawing by one step; the views of all of them go through CLIP as one batch. A
/// drawing that has all its updates is looked at once more, so that its last frame has losses of
/// its own. The results come in the order of the drawings, and the failure of one leaves the
/// others alone, unless CLIP itself fails.
pub fn advance(clip: &Clip, drawings: &mut [&mut Drawing]) -> Vec<Result<Progress, DrawError>> {
    let side = clip.input_size() as usize;
    let looks: Vec<Look> = drawings
        .iter_mut()
        .map(|drawing| drawing.look(side))
        .collect();
    let subjects: Vec<_> = drawings
        .iter()
        .zip(&looks)
        .map(|(drawing, look)| Subject {
            views: &look.pixels,
            texts: &drawing.texts,
            direction: &drawing.direction,
            strength: drawing.strength,
            contrast: drawing.contrast.as_ref(),
            turn: drawing.step,
        })
        .collect();
    match judge(clip, &subjects) {
        Ok(judgements) => drawings
            .iter_mut()
            .zip(looks.iter().zip(judgements))
            .map(|(drawing, (look, judgement))| drawing.learn(look, &judgement))
            .collect(),
        Err(cause) => {
            let cause = Arc::new(cause);
            let failed = |drawing: &&mut Drawing| DrawError::Clip {
                step: drawing.step,
                cause: Arc::clone(&cause),
            };
            drawings
                .iter()
                .map(|drawing| Err(failed(drawing)))
                .collect()
        }
    }
}
