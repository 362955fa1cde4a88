//! The steps of a run, as work for a device: started operation by operation, or captured once and replayed.
//!
//! A step starts about 600 small operations. On a fast GPU starting them takes longer than doing them, so
//! steps that are repeated often are captured as CUDA graphs. The operations stay the same, and so do the bytes.

use metrics::counter;
use tch::Tensor;
use tracing::{debug, warn};

use super::drawing::Drawing;
use super::objective::{Objective, ViewOutcome};
use super::step::{ClipPass, ClipResults, DrawingTarget, SharedFailure};
use crate::clip::{Clip, ClipError, EncoderBatch, ViewGroup};
use crate::compute::cuda::CudaError;
use crate::compute::graph::Graph;
use crate::compute::{duplicate, to_host};
use crate::errors::chain;
use crate::render::{RenderError, StrokeRun};
use crate::telemetry::metric;

/// A variant is captured after this many steps. The first ones choose algorithms and allocate memory, which cannot be
/// captured; and a capture, which costs as much as some steps, pays only for drawings that stay together.
const STEPS_BEFORE_CAPTURE: usize = 8;

/// The steps of drawings that are moved together.
#[derive(Debug)]
pub(super) struct StepProgram {
    objectives: Vec<Objective>,
    /// Which tower encodes which view changes from step to step, and comes back after as many steps as there are towers.
    variants: Vec<Variant>,
    towers: usize,
    may_capture: bool,
}

/// The step with one division of the views among the towers.
#[derive(Debug)]
struct Variant {
    groups: Vec<ViewGroup>,
    /// Owns the tensors on the device that divide the views, which a graph refers to.
    batches: Vec<EncoderBatch>,
    steps: usize,
    captured: Option<Captured>,
    /// The results of the last step that was not replayed.
    latest: Option<ClipResults>,
}

#[derive(Debug)]
struct Captured {
    graph: Graph,
    results: StepResults,
}

/// What a step leaves on the device.
#[derive(Debug)]
struct StepResults {
    /// Of the terms on views.
    parts: ClipResults,
    /// The same in one tensor, `[values]`.
    flat: Tensor,
}

impl StepProgram {
    /// The steps of these drawings.
    pub(super) fn new(clip: &Clip, drawings: &[&mut Drawing], may_capture: bool) -> Self {
        Self {
            objectives: drawings
                .iter()
                .map(|drawing| drawing.objective.clone())
                .collect(),
            variants: Vec::new(),
            towers: clip.config().towers,
            may_capture,
        }
    }

    /// Whether steps may still be captured; false after a capture has failed.
    pub(super) fn may_capture(&self) -> bool {
        self.may_capture
    }

    /// Does the step that is selected in the run. `groups` divide the views of the drawings among the towers. Returns
    /// the results of the terms on views, `[values]`, which may not have been computed yet.
    pub(super) fn step(
        &mut self,
        clip: &Clip,
        run: &dyn StrokeRun,
        groups: Vec<ViewGroup>,
    ) -> Result<Tensor, SharedFailure> {
        let objectives: Vec<&Objective> = self.objectives.iter().collect();
        let index = variant_of(&mut self.variants, clip, self.towers, groups)?;
        let variant = &mut self.variants[index];
        variant.steps += 1;
        if self.may_capture && variant.steps > STEPS_BEFORE_CAPTURE && variant.captured.is_none() {
            self.may_capture = variant.capture(run, &objectives);
        }
        let Some(captured) = &variant.captured else {
            let results = variant.start(run, &objectives)?;
            let flat = results.flat.shallow_clone();
            variant.latest = Some(results.parts);
            return Ok(flat);
        };
        captured
            .graph
            .replay()
            .map_err(|cause| RenderError::from(CudaError::from(cause)))?;
        // The next step writes to the same memory.
        let copy = duplicate(&captured.results.flat);
        Ok(copy.map_err(ClipError::while_doing("keeping losses"))?)
    }

    /// Waits for the device, and returns the results for the views of each drawing in each of some steps.
    pub(super) fn read(&self, steps: &[Tensor]) -> Result<Vec<Vec<ViewOutcome>>, ClipError> {
        let parts = self.variants.iter().find_map(Variant::parts);
        let parts = parts.expect("some step was done");
        let values = Tensor::f_cat(steps, 0).and_then(|values| to_host(&values));
        let values = values.map_err(ClipError::while_doing("copying losses from the device"))?;
        let of_step = values.len() / steps.len();
        let drawings = self.objectives.len();
        let mut outcomes = vec![Vec::with_capacity(steps.len()); drawings];
        for values in values.chunks_exact(of_step) {
            let step = parts.by_drawing(values, drawings);
            for (outcomes, outcome) in outcomes.iter_mut().zip(step) {
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }
}

/// The index of the variant in which the views are divided like this.
fn variant_of(
    variants: &mut Vec<Variant>,
    clip: &Clip,
    towers: usize,
    mut groups: Vec<ViewGroup>,
) -> Result<usize, ClipError> {
    for group in &mut groups {
        group.first_tower %= towers;
    }
    if let Some(known) = variants.iter().position(|variant| variant.groups == groups) {
        return Ok(known);
    }
    variants.push(Variant {
        batches: clip.batches(&groups)?,
        groups,
        steps: 0,
        captured: None,
        latest: None,
    });
    Ok(variants.len() - 1)
}

impl Variant {
    /// Starts all operations of a step.
    fn start(
        &self,
        run: &dyn StrokeRun,
        objectives: &[&Objective],
    ) -> Result<StepResults, SharedFailure> {
        run.forward()?;
        let batches = self.batches.iter().map(EncoderBatch::share).collect();
        // A drawing with a picture is moved step by step.
        let targets = objectives.iter().copied();
        let targets: Vec<_> = targets.map(DrawingTarget::without_picture).collect();
        let pass = ClipPass::run(run.views(), batches, &self.groups, &targets)?;
        run.update(&pass.gradient)?;
        let flat = pass.results.flatten();
        Ok(StepResults {
            flat: flat.map_err(ClipError::while_doing("collecting losses"))?,
            parts: pass.results,
        })
    }

    /// Captures the step. Returns whether that is possible.
    fn capture(&mut self, run: &dyn StrokeRun, objectives: &[&Objective]) -> bool {
        match Graph::capture(|| self.start(run, objectives)) {
            Ok((graph, results)) => {
                counter!(metric::GPU_CAPTURES).increment(1);
                debug!("captured a step of {} drawings", objectives.len());
                self.captured = Some(Captured { graph, results });
                true
            }
            Err(error) => {
                counter!(metric::GPU_CAPTURE_FAILURES).increment(1);
                let error = chain(&error);
                warn!(error, "steps go on without CUDA graphs, which is slower");
                false
            }
        }
    }

    /// The results of a step, to know how they are divided; they are alike in all variants.
    fn parts(&self) -> Option<&ClipResults> {
        let captured = self
            .captured
            .as_ref()
            .map(|captured| &captured.results.parts);
        captured.or(self.latest.as_ref())
    }
}
