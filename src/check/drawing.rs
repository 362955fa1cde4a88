//! Whole drawings on the device.

use tch::{TchError, Tensor};

use super::clip::similarity;
use super::recorder::{CheckError, Measurement, Recorder};
use super::runs;
use super::settings::CheckSettings;
use crate::clip::Clip;
use crate::draw::objective::{Term, ViewEmbeddings};
use crate::draw::{DrawError, Drawing, Quantity, step_together};
use crate::errors::chain;
use crate::output::finished::draw;
use crate::render::renderer_for;
use crate::scene::{Canvas, StrokeGradient, Strokes};

/// Fewer steps may be too noisy for the loss to fall.
const MIN_STEPS_TO_FALL: usize = 20;

/// Runs all checks of drawings.
pub(super) fn check(settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    let Some(clip) = recorder.load(settings) else {
        return;
    };
    let spec = settings.spec(settings.steps, 0);
    let first = recorder.attempt("a drawing", || Ok(draw(&clip, &spec)?));
    if let Some(first) = first {
        recorder.check("the same bytes again", || {
            let equal = draw(&clip, &spec)?.to_svg() == first.to_svg();
            let figure = if equal { "equal" } else { "different" };
            Ok(Measurement::passed_if(equal, figure))
        });
    }
    recorder.check("the loss falls", || falls(&clip, settings));
    runs::check(&clip, settings, recorder);
    for injected in [Injected::Views, Injected::Strokes] {
        recorder.check(injected.check(), || {
            injected_failure(&clip, settings, injected)
        });
    }
}

/// Compares the first and the last strokes in the same views: those of the steps are random, so their losses vary. The
/// centre constraint is off, because it may outweigh a model of random weights.
fn falls(clip: &Clip, settings: &CheckSettings) -> Result<Measurement, CheckError> {
    let steps = settings.steps.max(MIN_STEPS_TO_FALL);
    let mut spec = settings.spec(steps, 0);
    spec.objective.center.weight = 0.0;
    let loss = |strokes: &Strokes| -> Result<f64, CheckError> {
        Ok(-similarity(clip, strokes, &spec.canvas, settings.seed)?)
    };
    let before = loss(&Drawing::start(clip, spec.clone())?.frame().strokes)?;
    let after = loss(&draw(clip, &spec)?.frame.strokes)?;
    let figure = format!("{before:.4} to {after:.4} in {steps} steps");
    Ok(Measurement::passed_if(after < before, figure)
        .with("loss_before", before)
        .with("loss_after", after))
}

/// A number that is not finite ends the drawing and names the term and the step, and a drawing that is moved
/// together with it goes on.
fn injected_failure(
    clip: &Clip,
    settings: &CheckSettings,
    injected: Injected,
) -> Result<Measurement, CheckError> {
    let mut broken = Drawing::start(clip, settings.spec(8, 0))?;
    let mut healthy = Drawing::start(clip, settings.spec(8, 1))?;
    let renderer = renderer_for(clip.device());
    for result in step_together(clip, &*renderer, &mut [&mut broken, &mut healthy]) {
        result?;
    }
    broken.add_term(Box::new(injected));
    let mut results = step_together(clip, &*renderer, &mut [&mut broken, &mut healthy]);
    let healthy = results.pop().expect("two drawings have two results");
    let Some(Err(error)) = results.pop() else {
        return Ok(Measurement::passed_if(false, "the drawing went on"));
    };
    let named = match &error {
        DrawError::NotFinite {
            quantity,
            term,
            step: 1,
            ..
        } => *term == injected.description() && *quantity == injected.quantity(),
        _ => false,
    };
    let other = match healthy {
        Ok(_) => "the other drawing went on".to_owned(),
        Err(ref error) => format!("the other drawing failed: {}", chain(error)),
    };
    let figure = format!("\"{}\"; {other}", chain(&error));
    Ok(Measurement::passed_if(named && healthy.is_ok(), figure))
}

/// A term that is not a number.
#[derive(Debug, Clone, Copy)]
enum Injected {
    /// Its value for every view.
    Views,
    /// Its gradient with respect to the strokes.
    Strokes,
}

impl Injected {
    fn check(self) -> &'static str {
        match self {
            Self::Views => "a loss that is not a number ends the drawing",
            Self::Strokes => "a gradient that is not a number ends the drawing",
        }
    }

    fn quantity(self) -> Quantity {
        match self {
            Self::Views => Quantity::Loss,
            Self::Strokes => Quantity::Gradient,
        }
    }
}

impl Term for Injected {
    fn name(&self) -> &'static str {
        "injected"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(*self)
    }

    fn on_views(&self, views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        match self {
            Self::Views => views.alignment.f_mul_scalar(f64::NAN).map(Some),
            Self::Strokes => Ok(None),
        }
    }

    fn on_strokes(&self, _: &Strokes, _: &Canvas, gradient: &mut StrokeGradient) -> f64 {
        if let (Self::Strokes, Some(first)) = (self, gradient.half_widths.first_mut()) {
            *first = f32::NAN;
        }
        0.0
    }
}
