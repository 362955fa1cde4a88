//! Many steps of many drawings, with as little work on the host as the device allows.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::fmt;

use metrics::counter;
use tch::{Device, Tensor};

use super::drawing::Drawing;
use super::planned_run::{Advance, DoneRun, PlannedRun};
use super::spec::Spec;
use super::step::{SharedFailure, step_together};
use super::step_program::StepProgram;
use crate::clip::Clip;
use crate::compute::cuda::{CudaDevice, CudaError};
use crate::compute::graph::{self, GraphMode};
use crate::render::{Renderer, RunScene, StrokeRun, StrokeRuns, renderer_for};
use crate::telemetry::metric;

/// Moves drawings with one model on its device, and keeps there what it needs again.
///
/// Where the renderer can keep strokes on the device, several steps are done in one run: up to the next frame of any
/// drawing, and at most ten. Otherwise it is one step at a time.
#[derive(Debug)]
pub struct Stepper<C> {
    clip: C,
    renderer: Box<dyn Renderer>,
    /// False after a capture has failed.
    may_capture: Cell<bool>,
    prepared: RefCell<Option<Prepared>>,
}

/// What is kept on the device from run to run of the same drawings.
struct Prepared {
    /// The tags of the drawings.
    drawings: Vec<u64>,
    run: Box<dyn StrokeRun>,
    program: StepProgram,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Prepared")
            .field("drawings", &self.drawings)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

impl<C: Borrow<Clip>> Stepper<C> {
    /// A stepper with the renderer that suits the model's device. If steps may be captured, everything that this thread
    /// does on the device from now on is on a stream of its own; a stepper stays on the thread that has made it.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(clip: C, graphs: GraphMode) -> Result<Self, CudaError> {
        let device = clip.borrow().device();
        if let Device::Cuda(index) = device
            && graphs.applies_to(device)
        {
            // The weights may still be on their way, on another stream.
            CudaDevice::open(index)?.synchronize()?;
            graph::take_stream(index)?;
        }
        Ok(Self::with_renderer(clip, renderer_for(device), graphs))
    }

    /// A stepper with any renderer, on the current stream.
    pub fn with_renderer(clip: C, renderer: Box<dyn Renderer>, graphs: GraphMode) -> Self {
        Self {
            may_capture: Cell::new(graphs.applies_to(clip.borrow().device())),
            clip,
            renderer,
            prepared: RefCell::new(None),
        }
    }

    /// The model.
    pub fn clip(&self) -> &Clip {
        self.clip.borrow()
    }

    /// About how much of the device's memory a drawing needs for its strokes and pictures, in bytes; `None` if it needs
    /// none because they are on the host. What the model needs for its views comes on top.
    pub fn memory_of(&self, spec: &Spec) -> Option<u64> {
        let side = self.clip().input_size() as usize;
        let renderer = self.renderer.stroke_runs()?;
        Some(renderer.memory_of(&spec.canvas, spec.all_strokes(), spec.views, side))
    }

    /// Whether steps are captured as CUDA graphs.
    pub fn uses_graphs(&self) -> bool {
        self.may_capture.get()
    }

    /// Moves every drawing by the same number of steps, at least one: as many as the device can do in one run. An error in
    /// one drawing does not affect the others, unless the model or the renderer itself fails. A drawing whose updates
    /// are all done is evaluated once more, so that the last frame has its own losses.
    pub fn advance(&self, drawings: &mut [&mut Drawing]) -> Vec<Advance> {
        for drawing in drawings.iter_mut() {
            drawing.begin_step();
        }
        if let Some(advances) = self.advance_on_device(drawings) {
            return advances;
        }
        let results = step_together(self.clip(), &*self.renderer, drawings);
        results.into_iter().map(Advance::from).collect()
    }

    /// `None` if the renderer or a drawing needs the host in every step.
    fn advance_on_device(&self, drawings: &mut [&mut Drawing]) -> Option<Vec<Advance>> {
        let renderer = self.renderer.stroke_runs()?;
        let terms = drawings.iter().map(|drawing| drawing.device_terms());
        let terms = terms.collect::<Option<Vec<_>>>()?;
        let steps = drawings.iter().map(|drawing| drawing.steps_of_run());
        let steps = steps.min()?;
        let plans: Vec<_> = drawings
            .iter_mut()
            .zip(terms)
            .map(|(drawing, terms)| drawing.plan_run(terms, steps))
            .collect();
        Some(match self.run(renderer, drawings, &plans) {
            Ok(runs) => drawings
                .iter_mut()
                .zip(plans)
                .zip(runs)
                .map(|((drawing, plan), run)| drawing.take_over(&plan, run))
                .collect(),
            Err(failure) => drawings
                .iter()
                .map(|drawing| Advance::from(Err(failure.in_step(drawing.step))))
                .collect(),
        })
    }

    fn run(
        &self,
        renderer: &dyn StrokeRuns,
        drawings: &[&mut Drawing],
        plans: &[PlannedRun],
    ) -> Result<Vec<DoneRun>, SharedFailure> {
        let scenes = drawings.iter().zip(plans);
        let scenes: Vec<_> = scenes
            .map(|(drawing, plan)| drawing.run_scene(plan))
            .collect();
        loop {
            // After an error nothing is kept, so that its memory is free.
            let mut prepared = self.prepare(renderer, drawings, &scenes)?;
            let losses = prepared.steps(self.clip(), drawings, scenes[0].steps.len())?;
            self.may_capture.set(prepared.program.may_capture());
            let outcomes = prepared.program.read(&losses)?;
            if let Some(moved) = prepared.run.finish()? {
                *self.prepared.borrow_mut() = Some(prepared);
                let runs = moved.into_iter().zip(outcomes);
                return Ok(runs
                    .map(|(moved, outcomes)| DoneRun { moved, outcomes })
                    .collect());
            }
            counter!(metric::GPU_REPEATED_RUNS).increment(1);
        }
    }

    /// What was kept for these drawings, or something new, with the scenes loaded.
    fn prepare(
        &self,
        renderer: &dyn StrokeRuns,
        drawings: &[&mut Drawing],
        scenes: &[RunScene<'_>],
    ) -> Result<Prepared, SharedFailure> {
        let tags: Vec<u64> = drawings.iter().map(|drawing| drawing.tag).collect();
        if let Some(mut prepared) = self
            .prepared
            .take()
            .filter(|prepared| prepared.drawings == tags)
            && prepared.run.load(scenes)?
        {
            return Ok(prepared);
        }
        let side = self.clip().input_size() as usize;
        Ok(Prepared {
            drawings: tags,
            run: renderer.start_run(scenes, side)?,
            program: StepProgram::new(self.clip(), drawings, self.may_capture.get()),
        })
    }
}

impl Prepared {
    /// Starts all steps of a run. Returns the results for the views in each step, on the device.
    fn steps(
        &mut self,
        clip: &Clip,
        drawings: &[&mut Drawing],
        steps: usize,
    ) -> Result<Vec<Tensor>, SharedFailure> {
        let mut results = Vec::with_capacity(steps);
        for step in 0..steps {
            self.run.select_step(step)?;
            let groups = drawings
                .iter()
                .map(|drawing| drawing.view_group_after(step));
            results.push(self.program.step(clip, &*self.run, groups.collect())?);
            self.run.keep_report()?;
        }
        Ok(results)
    }
}
