//! Steps of a drawing that a renderer does on its device, without the host in between.

use super::drawing::{Drawing, Step};
use super::error::{DrawError, Quantity};
use super::objective::{DeviceTerms, ViewOutcome};
use crate::clip::ViewGroup;
use crate::render::{GradientSource, MovedScene, RunScene, RunStep};

/// The most steps of a run. A drawing can only be canceled between two runs.
const MAX_STEPS: usize = 10;

/// The steps of a drawing in a run, before they are done.
#[derive(Debug)]
pub(super) struct PlannedRun {
    steps: Vec<RunStep>,
    terms: DeviceTerms,
}

/// What a drawing did, step by step.
#[derive(Debug)]
pub struct Advance {
    /// The reports of the steps, in order. At most one of them has a frame.
    pub steps: Vec<Step>,
    /// Why the drawing cannot go on after them.
    pub error: Option<DrawError>,
}

impl Advance {
    /// The reports, or the error if there is one.
    ///
    /// # Errors
    /// When the drawing cannot go on.
    pub fn into_result(self) -> Result<Vec<Step>, DrawError> {
        match self.error {
            None => Ok(self.steps),
            Some(error) => Err(error),
        }
    }
}

impl From<Result<Step, DrawError>> for Advance {
    fn from(result: Result<Step, DrawError>) -> Self {
        match result {
            Ok(step) => Self {
                steps: vec![step],
                error: None,
            },
            Err(error) => Self {
                steps: Vec::new(),
                error: Some(error),
            },
        }
    }
}

/// What came back from the device for a drawing.
#[derive(Debug)]
pub(super) struct DoneRun {
    /// Its strokes, and the report of each step.
    pub(super) moved: MovedScene,
    /// The results for its views in each step.
    pub(super) outcomes: Vec<ViewOutcome>,
}

impl Drawing {
    /// How many steps it can do in one run: up to the next frame, which the host has to see, to the end of a prompt, or to
    /// the end.
    pub(super) fn steps_of_run(&self) -> usize {
        let per_frame = self.spec.steps_per_frame;
        let until_frame = per_frame - self.step % per_frame;
        let until_end = self.spec.steps - self.step;
        let next_stage = self.objective.next_stage();
        let until_stage = next_stage.map_or(MAX_STEPS, |start| start - self.step);
        until_frame
            .min(until_end)
            .min(until_stage)
            .clamp(1, MAX_STEPS)
    }

    /// What a renderer needs to know of the terms on strokes; `None` if one of them needs the host in every step,
    /// or if some strokes stay as they are, which renderers do not know.
    pub(super) fn device_terms(&self) -> Option<DeviceTerms> {
        if self.has_fixed_strokes() {
            return None;
        }
        self.objective
            .device_terms(&self.spec.canvas, self.strokes.len())
    }

    /// Plans some steps, whose random views are drawn now.
    pub(super) fn plan_run(&mut self, terms: DeviceTerms, steps: usize) -> PlannedRun {
        let steps = self.step..self.step + steps;
        let steps = steps.map(|step| RunStep {
            views: self.next_views(),
            rates: self.rates(step),
        });
        PlannedRun {
            steps: steps.collect(),
            terms,
        }
    }

    /// The drawing as a renderer moves it.
    pub(super) fn run_scene<'a>(&'a self, plan: &'a PlannedRun) -> RunScene<'a> {
        RunScene {
            strokes: &self.strokes,
            adam: &self.adam,
            canvas: &self.spec.canvas,
            half_widths: self.spec.half_width_limits(),
            penalty: plan.terms.penalty.map(|(_, penalty)| penalty),
            steps: &plan.steps,
        }
    }

    /// How its views are encoded in a step of a run, counted from 0.
    pub(super) fn view_group_after(&self, steps: usize) -> ViewGroup {
        let group = self.view_group();
        ViewGroup {
            first_tower: group.first_tower + steps,
            ..group
        }
    }

    /// Takes over the results of a run. After an error the drawing is as it was before the run.
    pub(super) fn take_over(&mut self, plan: &PlannedRun, run: DoneRun) -> Advance {
        let start = self.step;
        let mut steps = Vec::with_capacity(run.outcomes.len());
        for (outcome, report) in run.outcomes.iter().zip(&run.moved.steps) {
            let values = self.objective.values(&plan.terms, report.penalty);
            let losses = self.objective.losses(outcome, &values);
            let step = self
                .observe(losses)
                .and_then(|step| match report.not_finite {
                    Some(source) if !step.is_finished() => Err(self.broken_gradient(plan, source)),
                    _ => Ok(step),
                });
            match step {
                Ok(step) if step.is_finished() => {
                    steps.push(step);
                    return Advance { steps, error: None };
                }
                Ok(step) => steps.push(step),
                Err(error) => {
                    self.step = start;
                    if let Some(first) = steps.first() {
                        self.last_losses = first.losses().clone();
                    }
                    return Advance {
                        steps,
                        error: Some(error),
                    };
                }
            }
            self.step += 1;
        }
        self.strokes = run.moved.strokes;
        self.adam = run.moved.adam;
        Advance { steps, error: None }
    }

    fn broken_gradient(&self, plan: &PlannedRun, source: GradientSource) -> DrawError {
        match source {
            GradientSource::Penalty => {
                let term = self.objective.description_of_penalty(&plan.terms);
                self.not_finite(Quantity::Gradient, term)
            }
            GradientSource::Views => {
                let term = self.objective.description_of_views();
                self.not_finite_from_views(Quantity::Gradient, term)
            }
        }
    }
}
