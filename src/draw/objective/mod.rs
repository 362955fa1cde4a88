//! What is minimized: a sum of terms, each in its own file.
//!
//! A term depends on the embeddings of the views, on the strokes, or on both ([`Term`]). To add one, write
//! its file, and add its settings to [`ObjectiveSpec`] and a line to the function `terms`.

mod term;
mod prompt;
mod contrastive;
mod region;
mod center;
mod clusters;
mod palette;
mod likeness;

pub use center::CenterConstraint;
pub use likeness::LikenessSpec;
pub use palette::PaletteSpec;
pub use region::{Extent, Mask, MaskError, Region};
pub use term::{
    EncodedPrompt, StrokePart, Target, Term, TermContext, ViewEmbeddings, ViewFeatures,
};

use std::collections::BTreeSet;

use tch::{Device, Kind, TchError, Tensor};

use self::center::Center;
use self::contrastive::Contrastive;
use self::likeness::Likeness;
use self::palette::Palette;
use self::prompt::Prompts;
use super::WeightedPrompt;
use super::losses::{Losses, TermLoss};
use crate::clip::ClipError;
use crate::render::CenterPenalty;
use crate::scene::{Canvas, Picture, StrokeGradient, Strokes};

/// The settings of all terms that a request can choose.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectiveSpec {
    /// The weight of the terms on views, which depend on CLIP; with 0, only the terms on strokes
    /// act.
    pub clip_weight: f64,
    /// The penalty on distance from the centre.
    pub center: CenterConstraint,
    /// The region around the centre in which that penalty is zero.
    pub region: Region,
    /// The colours that strokes end with; `None` lets them have any.
    pub palette: Option<PaletteSpec>,
    /// A picture whose shapes are to be followed.
    pub likeness: Option<LikenessSpec>,
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self {
            clip_weight: 1.0,
            center: CenterConstraint::default(),
            region: Region::default(),
            palette: None,
            likeness: None,
        }
    }
}

/// All terms, in the order in which they are reported.
fn terms(spec: &ObjectiveSpec, context: &TermContext<'_>) -> Result<Vec<Box<dyn Term>>, ClipError> {
    let mut terms: Vec<Box<dyn Term>> = vec![
        Box::new(Prompts::new(context, spec.clip_weight)),
        Box::new(Contrastive::new(context)?),
        Box::new(Center::new(spec.center, spec.region.clone())),
    ];
    if let Some(palette) = &spec.palette {
        terms.push(Box::new(Palette::new(palette)));
    }
    if let Some(likeness) = &spec.likeness {
        let term = Likeness::new(likeness, context, spec.clip_weight)?;
        terms.push(Box::new(term));
    }
    Ok(terms)
}

/// The objective of one drawing.
#[derive(Debug)]
pub(super) struct Objective {
    terms: Vec<Box<dyn Term>>,
    /// In order; the first one begins with no updates done.
    stages: Vec<Stage>,
    /// The index of the stage that steps belong to.
    stage: usize,
    /// The number of updates of the whole drawing.
    steps: usize,
}

/// The steps between two of those at which prompts end.
#[derive(Debug)]
struct Stage {
    /// Updates done when it begins.
    start: usize,
    /// The target of the prompts that act in it.
    target: Target,
}

/// A stage for each set of prompts that act together, in a drawing of `steps` updates.
fn stages(spec: &ObjectiveSpec, context: &TermContext<'_>, steps: usize) -> Vec<Stage> {
    let ends = context
        .prompts
        .iter()
        .filter_map(|encoded| encoded.prompt.last_update(steps));
    let starts: BTreeSet<usize> = ends.chain([0]).collect();
    let stages = starts.into_iter().map(|start| {
        let acting = context.prompts.iter().filter(|encoded| {
            let end = encoded.prompt.last_update(steps);
            end.is_none_or(|end| start < end)
        });
        Stage {
            start,
            target: Target::new(context.clip, acting, spec.clip_weight),
        }
    });
    stages.collect()
}

/// The results of the terms on views for some views of a drawing.
#[derive(Debug, Clone, Default)]
pub(super) struct ViewOutcome {
    /// Unit vectors of the views, `[n, E]`.
    embeddings: Vec<f32>,
    /// For each term the loss of each view in units of [`Term::scale`]; `None` for a term on
    /// strokes.
    losses: Vec<Option<Vec<f32>>>,
}

/// The same on the model's device, where it may not have been computed yet.
#[derive(Debug)]
pub(super) struct DeviceOutcome {
    embeddings: Tensor,
    losses: Vec<Option<Tensor>>,
}

/// The results of the terms on strokes for a drawing.
#[derive(Debug, Clone)]
pub(super) struct StrokeOutcome {
    /// For each term its value, 0 for a term on views.
    pub(super) values: Vec<f64>,
    /// The gradient of all of them.
    pub(super) gradient: StrokeGradient,
    /// The first term that made the gradient infinite or NaN.
    pub(super) not_finite: Option<String>,
}

/// The terms on strokes that a renderer computes.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceTerms {
    /// The penalty, and its index among the terms.
    pub(super) penalty: Option<(usize, CenterPenalty)>,
}

impl Clone for Objective {
    /// A copy that shares the tensors, which never change.
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.iter().map(|term| term.share()).collect(),
            stages: self.stages.iter().map(Stage::share).collect(),
            stage: self.stage,
            steps: self.steps,
        }
    }
}

impl Stage {
    fn share(&self) -> Self {
        Self {
            start: self.start,
            target: self.target.share(),
        }
    }
}

impl Objective {
    /// The terms of a drawing of `steps` updates.
    pub(super) fn new(
        spec: &ObjectiveSpec,
        context: &TermContext<'_>,
        steps: usize,
    ) -> Result<Self, ClipError> {
        Ok(Self {
            terms: terms(spec, context)?,
            stages: stages(spec, context, steps),
            stage: 0,
            steps,
        })
    }

    /// Selects the prompts that act after `done` updates. Returns whether they are others than before.
    pub(super) fn select_stage(&mut self, done: usize) -> bool {
        let begun = self.stages.partition_point(|stage| stage.start <= done);
        // The first stage begins with no updates done.
        let stage = begun.saturating_sub(1);
        std::mem::replace(&mut self.stage, stage) != stage
    }

    /// Updates done when the next prompt ends; `None` if no other one does.
    pub(super) fn next_stage(&self) -> Option<usize> {
        Some(self.stages.get(self.stage + 1)?.start)
    }

    fn target(&self) -> &Target {
        &self.stages[self.stage].target
    }

    fn has_ended(&self, prompt: &WeightedPrompt) -> bool {
        let end = prompt.last_update(self.steps);
        end.is_some_and(|end| end <= self.stages[self.stage].start)
    }

    /// Adds a term after the others.
    pub(super) fn add(&mut self, term: Box<dyn Term>) {
        self.terms.push(term);
    }

    /// The factor by which the gradient with respect to the views must be multiplied after CLIP: the largest scale of a
    /// term.
    pub(super) fn scale(&self) -> f32 {
        let target = self.target();
        let scales = self.terms.iter().map(|term| term.scale(target));
        scales.fold(target.scale, f32::max)
    }

    /// The picture whose features a term needs for the views of the drawing.
    pub(super) fn picture(&self) -> Option<&Picture> {
        self.terms.iter().find_map(|term| term.picture())
    }

    /// Evaluates the terms on views for embeddings `[n, E]` that require a gradient, as may the features. Returns their sum
    /// over terms and views in units of [`Self::scale`], and their results.
    pub(super) fn on_views(
        &self,
        embeddings: &Tensor,
        features: Option<&ViewFeatures>,
    ) -> Result<(Tensor, DeviceOutcome), TchError> {
        let unit = self.scale();
        let alignment = embeddings
            .f_mul(&self.target().direction)?
            .f_sum_dim_intlist(-1, false, None)?;
        let views = ViewEmbeddings {
            embeddings,
            alignment: &alignment,
            features,
        };
        let mut total: Option<Tensor> = None;
        let mut losses = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let loss = term.on_views(&views)?;
            losses.push(loss.as_ref().map(Tensor::f_detach).transpose()?);
            let scale = term.scale(self.target());
            // Most drawings have one scale, and nothing to multiply.
            let loss = match loss {
                Some(loss) if scale != unit => Some(loss.f_mul_scalar(f64::from(scale / unit))?),
                loss => loss,
            };
            total = match (total, loss) {
                (Some(total), Some(loss)) => Some(total.f_add(&loss)?),
                (total, loss) => total.or(loss),
            };
        }
        // Without a term on views the gradient is zero.
        let total = match total {
            Some(total) => total,
            None => alignment.f_mul_scalar(0.0)?,
        };
        let outcome = DeviceOutcome {
            embeddings: embeddings.f_detach()?,
            losses,
        };
        Ok((total.f_sum(None)?, outcome))
    }

    /// Evaluates the terms on strokes.
    pub(super) fn on_strokes(&self, strokes: &Strokes, canvas: &Canvas) -> StrokeOutcome {
        let mut outcome = StrokeOutcome {
            values: Vec::with_capacity(self.terms.len()),
            gradient: StrokeGradient::zeros_for(strokes),
            not_finite: None,
        };
        for term in &self.terms {
            let value = term.on_strokes(strokes, canvas, &mut outcome.gradient);
            outcome.values.push(value);
            if outcome.not_finite.is_none() && !outcome.gradient.is_finite() {
                outcome.not_finite = Some(term.description());
            }
        }
        outcome
    }

    /// Lets terms move strokes after an update; `done` is the part of all updates that are done with it, up to 1.
    pub(super) fn after_update(&mut self, strokes: &mut Strokes, done: f64) {
        for term in &mut self.terms {
            term.after_update(strokes, done);
        }
    }

    /// What a renderer that keeps the strokes of a drawing on its device needs to move them; `None` if a term can only be
    /// computed on the host.
    pub(super) fn device_terms(&self, canvas: &Canvas, strokes: usize) -> Option<DeviceTerms> {
        let mut found = DeviceTerms { penalty: None };
        for (index, term) in self.terms.iter().enumerate() {
            match term.stroke_part(canvas, strokes) {
                StrokePart::Independent => {}
                StrokePart::Penalty(penalty) if found.penalty.is_none() => {
                    found.penalty = Some((index, penalty));
                }
                StrokePart::Penalty(_) | StrokePart::Host => return None,
            }
        }
        Some(found)
    }

    /// The values of all terms on strokes, from that of the penalty that a renderer has computed.
    pub(super) fn values(&self, terms: &DeviceTerms, penalty: f64) -> Vec<f64> {
        let mut values = vec![0.0; self.terms.len()];
        if let Some((index, _)) = terms.penalty {
            values[index] = penalty;
        }
        values
    }

    /// The losses of one state of the strokes, from the values of the terms on strokes.
    pub(super) fn losses(&self, views: &ViewOutcome, strokes: &[f64]) -> Losses {
        let terms = self.terms.iter().enumerate().map(|(index, term)| {
            let on_views = views.losses.get(index).and_then(Option::as_ref);
            let sum: f64 =
                on_views.map_or(0.0, |losses| losses.iter().copied().map(f64::from).sum());
            let mut prompts = term.prompts(&views.embeddings);
            for part in &mut prompts {
                part.has_ended = self.has_ended(&part.prompt);
            }
            let acting = prompts.iter().filter(|part| !part.has_ended);
            let value = if prompts.is_empty() {
                f64::from(term.scale(self.target())) * sum + strokes[index]
            } else {
                // The sum of no floats is -0.
                acting.map(|part| part.loss).sum::<f64>() + 0.0
            };
            TermLoss {
                name: term.name(),
                value,
                is_active: term.is_active(),
                prompts,
            }
        });
        Losses::new(terms.collect())
    }

    /// The common name of the terms on views in an error message, because the gradient from CLIP is
    /// that of all of them.
    pub(super) fn description_of_views(&self) -> String {
        match self.term_of_features() {
            Some(term) => format!("CLIP and {} terms", term.name()),
            None => self.description(prompt::NAME),
        }
    }

    /// Whether the term of that name depends on the image tower in another way than by embeddings.
    pub(super) fn is_of_features(&self, name: &str) -> bool {
        self.term_of_features()
            .is_some_and(|term| term.name() == name)
    }

    /// The term that needs the features of a picture.
    fn term_of_features(&self) -> Option<&dyn Term> {
        let mut terms = self.terms.iter().map(AsRef::as_ref);
        terms.find(|term| term.picture().is_some())
    }

    /// The name in an error message of the penalty that a renderer has computed.
    pub(super) fn description_of_penalty(&self, terms: &DeviceTerms) -> String {
        let term = terms
            .penalty
            .map(|(index, _)| self.terms[index].description());
        term.unwrap_or_else(|| self.description_of_views())
    }

    /// The name of a term in an error message.
    pub(super) fn description(&self, name: &str) -> String {
        let term = self.terms.iter().find(|term| term.name() == name);
        term.map_or_else(|| name.to_owned(), |term| term.description())
    }
}

impl DeviceOutcome {
    /// All results, one after the other in one tensor, `[values]`.
    pub(super) fn flatten(outcomes: &[Self]) -> Result<Tensor, TchError> {
        if outcomes.is_empty() {
            return Tensor::f_zeros([0], (Kind::Float, Device::Cpu));
        }
        let tensors = outcomes.iter().flat_map(Self::tensors);
        let flat = tensors.map(|tensor| tensor.f_reshape([-1]));
        Tensor::f_cat(&flat.collect::<Result<Vec<_>, _>>()?, 0)
    }

    /// The results in the values of a flat tensor. Only the shapes of `outcomes` are used.
    pub(super) fn read(outcomes: &[Self], values: &[f32]) -> Vec<ViewOutcome> {
        let mut rest = values;
        let mut take = |tensor: &Tensor| {
            let (own, others) = rest.split_at(tensor.numel());
            rest = others;
            own.to_vec()
        };
        let outcomes = outcomes.iter().map(|outcome| ViewOutcome {
            embeddings: take(&outcome.embeddings),
            losses: outcome
                .losses
                .iter()
                .map(|loss| loss.as_ref().map(&mut take))
                .collect(),
        });
        outcomes.collect()
    }

    /// All tensors, in the order in which they are copied.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.embeddings).chain(self.losses.iter().flatten())
    }
}

impl ViewOutcome {
    /// Adds the results for further views.
    pub(super) fn extend(&mut self, more: Self) {
        self.embeddings.extend(more.embeddings);
        if self.losses.is_empty() {
            self.losses = more.losses;
            return;
        }
        for (losses, more) in self.losses.iter_mut().zip(more.losses) {
            if let (Some(losses), Some(more)) = (losses, more) {
                losses.extend(more);
            }
        }
    }
}
