//! Drawings in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind};

use super::error::{DrawError, Quantity};
use super::image_prompt::ImagePrompt;
use super::losses::Losses;
use super::objective::{EncodedPrompt, Objective, StrokeOutcome, Term, TermContext, ViewOutcome};
use super::preset::Preset;
use super::prompt::WeightedPrompt;
use super::spec::Spec;
use crate::clip::{Clip, ClipError, ViewGroup};
use crate::optimizer::{Adam, Rates, clamp};
use crate::render::Scene;
use crate::render::view::{ViewTransform, random_views};
use crate::scene::start::strokes_in_style;
use crate::scene::{Rgb, StrokeGradient, Strokes};

/// What an image prompt is called where prompts are listed by their text.
const PICTURE: &str = "[image_prompt]";

/// The random stream of the views; the initial strokes use stream 0 of the same seed.
const VIEW_STREAM: u64 = 1;

/// The result of one step of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The strokes were moved, and there is more to do.
    Running(Progress),
    /// All updates were already done, so nothing was moved: this is the finished drawing.
    Finished(Frame),
}

impl Step {
    /// Updates done before the step: the state that the losses and the frame belong to.
    pub fn updates(&self) -> usize {
        match self {
            Self::Running(progress) => progress.step,
            Self::Finished(frame) => frame.step,
        }
    }

    /// The losses of that state.
    pub fn losses(&self) -> &Losses {
        match self {
            Self::Running(progress) => &progress.losses,
            Self::Finished(frame) => &frame.losses,
        }
    }

    /// That state, if a frame is due; at the end it always is.
    pub fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Running(progress) => progress.frame.as_ref(),
            Self::Finished(frame) => Some(frame),
        }
    }

    /// Whether the drawing is finished.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// The report of a step after which the drawing continues.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Updates done before the step: the state that the losses and the frame belong to.
    pub step: usize,
    /// The losses of that state.
    pub losses: Losses,
    /// That state, if a frame is due.
    pub frame: Option<Frame>,
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

/// One drawing in progress. A clone is independent of the original.
#[derive(Debug, Clone)]
pub struct Drawing {
    pub(super) spec: Spec,
    pub(super) strokes: Strokes,
    pub(super) adam: Adam,
    random: ChaCha8Rng,
    /// Updates done so far.
    pub(super) step: usize,
    preset: Preset,
    /// What is minimized.
    pub(super) objective: Objective,
    pub(super) last_losses: Losses,
    in_fp16: bool,
    /// Tells drawings with other objectives apart. Clones have the same.
    pub(super) tag: u64,
}

/// A tag that no other drawing has.
fn next_tag() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Drawing {
    /// Encodes the prompts and places the random strokes of the seed.
    ///
    /// # Errors
    /// When a prompt has more tokens than CLIP reads.
    pub fn start(clip: &Clip, mut spec: Spec) -> Result<Self, DrawError> {
        if spec.truncate {
            for prompt in &mut spec.prompts {
                prompt.text = clip.truncate(&prompt.text).to_owned();
            }
        }
        let prompts = spec
            .prompts
            .iter()
            .map(|prompt| encode(clip, prompt))
            .collect::<Result<Vec<_>, _>>()?;
        let pictures = spec
            .image_prompts
            .iter()
            .map(|image| encode_picture(clip, image, spec.canvas.background));
        let prompts = prompts
            .into_iter()
            .map(Ok)
            .chain(pictures)
            .collect::<Result<Vec<_>, DrawError>>()?;
        let preset = spec.preset.unwrap_or_else(|| Preset::for_model(clip));
        let context = TermContext {
            clip,
            prompts: &prompts,
            canvas: &spec.canvas,
            preset: &preset,
        };
        let objective = Objective::new(&spec.objective, &context, spec.steps).map_err(|cause| {
            DrawError::Clip {
                step: 0,
                cause: Arc::new(cause),
            }
        })?;
        let strokes = first_strokes(&spec, &preset);
        Ok(Self {
            adam: Adam::new(&strokes),
            strokes,
            random: random_of_views(spec.seed),
            step: 0,
            preset,
            objective,
            last_losses: Losses::default(),
            in_fp16: clip.kind() == Kind::Half,
            tag: next_tag(),
            spec,
        })
    }

    /// Begins `count` drawings of a plan with its seed and the following ones. They share the encoded prompts.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_several(clip: &Clip, spec: Spec, count: usize) -> Result<Vec<Self>, DrawError> {
        let first = Self::start(clip, spec)?;
        let others = (1..count).map(|index| first.with_seed(first.spec.seed + index as u64));
        let mut drawings: Vec<_> = others.collect();
        drawings.insert(0, first);
        Ok(drawings)
    }

    /// This drawing, of which no step was done, with another seed.
    fn with_seed(&self, seed: u64) -> Self {
        let spec = Spec {
            seed,
            ..self.spec.clone()
        };
        let strokes = first_strokes(&spec, &self.preset);
        Self {
            adam: Adam::new(&strokes),
            strokes,
            random: random_of_views(seed),
            step: 0,
            preset: self.preset,
            objective: self.objective.clone(),
            last_losses: Losses::default(),
            in_fp16: self.in_fp16,
            tag: next_tag(),
            spec,
        }
    }

    /// Adds a term to the objective. It is reported after the others and acts from the next step on.
    pub fn add_term(&mut self, term: Box<dyn Term>) {
        self.objective.add(term);
        self.tag = next_tag();
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

    /// Prepares the next step: from some of them on, fewer prompts act.
    pub(super) fn begin_step(&mut self) {
        if self.objective.select_stage(self.step) {
            self.tag = next_tag();
        }
    }

    /// Draws the random views of the next step.
    pub(super) fn next_views(&mut self) -> Vec<ViewTransform> {
        let [width, height] = [self.spec.canvas.width, self.spec.canvas.height];
        random_views(
            &mut self.random,
            self.spec.views,
            width as usize,
            height as usize,
        )
    }

    /// Whether strokes are moved that a renderer could not move by itself, because others stay as they are.
    pub(super) fn has_fixed_strokes(&self) -> bool {
        self.strokes.fixed > 0
    }

    /// The drawing as it is rendered in the next step.
    pub(super) fn scene<'a>(&'a self, views: &'a [ViewTransform]) -> Scene<'a> {
        Scene {
            strokes: &self.strokes,
            canvas: &self.spec.canvas,
            views,
        }
    }

    /// How its views are encoded: several towers take turns from step to step.
    pub(super) fn view_group(&self) -> ViewGroup {
        ViewGroup {
            count: self.spec.views,
            first_tower: self.step,
        }
    }

    /// Computes the losses from the results for the views and, unless all updates are done, moves the
    /// strokes against the gradient. `from_views` is the gradient of the terms on views.
    pub(super) fn update(
        &mut self,
        views: &ViewOutcome,
        from_views: &StrokeGradient,
    ) -> Result<Step, DrawError> {
        let on_strokes = if self.has_fixed_strokes() {
            let moving = self.strokes.range(0..self.strokes.moving());
            self.objective.on_strokes(&moving, &self.spec.canvas)
        } else {
            self.objective.on_strokes(&self.strokes, &self.spec.canvas)
        };
        let losses = self.objective.losses(views, &on_strokes.values);
        let step = self.observe(losses)?;
        if !step.is_finished() {
            self.descend(on_strokes, from_views)?;
        }
        Ok(step)
    }

    /// The report of the step, from the losses of the strokes as they are.
    pub(super) fn observe(&mut self, losses: Losses) -> Result<Step, DrawError> {
        self.check_losses(&losses)?;
        self.last_losses = losses;
        if self.step == self.spec.steps {
            return Ok(Step::Finished(self.frame()));
        }
        let is_due = self.step.is_multiple_of(self.spec.steps_per_frame);
        Ok(Step::Running(Progress {
            step: self.step,
            losses: self.last_losses.clone(),
            frame: is_due.then(|| self.frame()),
        }))
    }

    /// The learning rates of a step; 0 for what is fixed.
    pub(super) fn rates(&self, step: usize) -> Rates {
        let rates = self.preset.rates(step, self.spec.steps, &self.spec.canvas);
        self.spec.ink.rates(rates)
    }

    fn descend(
        &mut self,
        on_strokes: StrokeOutcome,
        from_views: &StrokeGradient,
    ) -> Result<(), DrawError> {
        if let Some(term) = on_strokes.not_finite {
            return Err(self.not_finite(Quantity::Gradient, term));
        }
        if !from_views.is_finite() {
            let term = self.objective.description_of_views();
            return Err(self.not_finite_from_views(Quantity::Gradient, term));
        }
        // Of the views it is that of all strokes; of the terms on strokes, and from here on, that of those that are moved.
        let mut gradient = on_strokes.gradient;
        gradient.add(from_views);
        let rates = self.rates(self.step);
        self.adam.descend(&mut self.strokes, &gradient, rates);
        self.step += 1;
        let done = self.step as f64 / self.spec.steps as f64;
        self.objective.after_update(&mut self.strokes, done);
        clamp(&mut self.strokes, self.spec.half_width_limits());
        Ok(())
    }

    fn check_losses(&self, losses: &Losses) -> Result<(), DrawError> {
        for term in losses.terms() {
            let broken = term.prompts.iter().find(|part| !part.loss.is_finite());
            if let Some(part) = broken {
                let term = format!("CLIP term for `{}`", part.prompt.text);
                return Err(self.not_finite_from_views(Quantity::Loss, term));
            }
            if !term.value.is_finite() {
                let description = self.objective.description(term.name);
                return Err(if self.objective.is_of_features(term.name) {
                    self.not_finite_from_views(Quantity::Loss, description)
                } else {
                    self.not_finite(Quantity::Loss, description)
                });
            }
        }
        Ok(())
    }

    pub(super) fn not_finite(&self, quantity: Quantity, term: String) -> DrawError {
        DrawError::NotFinite {
            quantity,
            term,
            step: self.step,
            in_fp16: false,
        }
    }

    /// [`Drawing::not_finite`] for a term that depends on CLIP's image tower.
    pub(super) fn not_finite_from_views(&self, quantity: Quantity, term: String) -> DrawError {
        DrawError::NotFinite {
            quantity,
            term,
            step: self.step,
            in_fp16: self.in_fp16,
        }
    }
}

/// The random numbers of the views of a seed.
fn random_of_views(seed: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(VIEW_STREAM);
    random
}

/// The strokes that a drawing starts from.
fn first_strokes(spec: &Spec, preset: &Preset) -> Strokes {
    let mut strokes = match &spec.start {
        Some(start) => Strokes::clone(start),
        None => Strokes::new(),
    };
    let missing = spec.strokes.saturating_sub(strokes.len());
    strokes.extend(&strokes_in_style(
        &spec.canvas,
        missing,
        spec.seed,
        &preset.start,
    ));
    spec.ink.apply(&mut strokes, &spec.canvas);
    clamp(&mut strokes, spec.half_width_limits());
    if let Some(fixed) = &spec.fixed {
        strokes.extend_fixed(fixed);
    }
    strokes
}

fn encode(clip: &Clip, prompt: &WeightedPrompt) -> Result<EncodedPrompt, DrawError> {
    let embedding = clip.embed_text(&prompt.text).and_then(|vector| {
        Vec::try_from(&vector.to_device(Device::Cpu))
            .map_err(ClipError::while_doing("reading a prompt's embedding"))
    });
    let embedding = embedding.map_err(|cause| DrawError::Prompt {
        prompt: prompt.text.clone(),
        cause: Arc::new(cause),
    })?;
    Ok(EncodedPrompt {
        prompt: prompt.clone(),
        embedding,
        is_picture: false,
    })
}

fn encode_picture(
    clip: &Clip,
    image: &ImagePrompt,
    background: Rgb,
) -> Result<EncodedPrompt, DrawError> {
    let embedding = image.embed(clip, background);
    Ok(EncodedPrompt {
        prompt: WeightedPrompt {
            weight: image.weight,
            ..WeightedPrompt::new(PICTURE)
        },
        embedding: embedding.map_err(|cause| DrawError::ImagePrompt {
            cause: Arc::new(cause),
        })?,
        is_picture: true,
    })
}
