//! Runs of steps in which strokes stay on the device.

use std::sync::Arc;

use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::launcher::Launcher;
use super::layout::Batch;
use super::memory::{BackwardMemory, ForwardMemory, part, placed};
use super::passes::Passes;
use super::room::Room;
use super::run_packing::{
    LoadedScene, PackedRun, RunContents, RunSizes, State, loaded, report_length,
};
use crate::compute::duplicate;
use crate::render::{MovedScene, RenderError, RunScene, StrokeRun};

/// A run by kernels that a launcher starts.
#[derive(Debug)]
pub(super) struct KernelRun<L> {
    launcher: Arc<L>,
    /// The room of the renderer, which grows when this run has too little.
    room: Arc<Mutex<Room>>,
    side: usize,
    sizes: RunSizes,
    forward: ForwardMemory,
    backward: BackwardMemory,
    inputs: Inputs,
    current: Option<Current>,
}

/// What the kernels read, on the device.
#[derive(Debug)]
struct Inputs {
    _layout: Tensor,
    state: Tensor,
    /// The penalties of a step, and its row of the table.
    step: Tensor,
}

/// What belongs to the run that goes on.
#[derive(Debug)]
struct Current {
    scenes: Vec<LoadedScene>,
    /// `[steps, row]`.
    table: Tensor,
    /// The report of each step, `[penalties, not_finite]`.
    reports: Vec<Tensor>,
}

fn failed_to(doing: &'static str) -> impl FnOnce(TchError) -> RenderError {
    RenderError::while_doing(doing)
}

impl<L: Launcher> KernelRun<L> {
    /// Memory for runs of scenes of these sizes, with these scenes in it.
    pub(super) fn new(
        launcher: Arc<L>,
        room: Arc<Mutex<Room>>,
        scenes: &[RunScene<'_>],
        side: usize,
    ) -> Result<Self, RenderError> {
        let PackedRun { sizes, contents } = PackedRun::new(scenes, side)?;
        let (inputs, batch) =
            Inputs::new(&*launcher, &sizes).map_err(failed_to("allocating memory for strokes"))?;
        let own_room = *room.lock();
        let counts = (&sizes.totals, &sizes.largest);
        let forward = ForwardMemory::new(&*launcher, counts, own_room, side, batch)
            .map_err(failed_to("allocating memory for a picture"))?;
        let backward = BackwardMemory::new(&*launcher, &sizes.totals, own_room)
            .map_err(failed_to("allocating memory for a gradient"))?;
        let mut run = Self {
            launcher,
            room,
            side,
            sizes,
            forward,
            backward,
            inputs,
            current: None,
        };
        run.send(&contents, scenes)?;
        Ok(run)
    }

    fn passes(&self) -> Passes<'_, L> {
        Passes {
            launcher: &self.launcher,
            totals: &self.sizes.totals,
            largest: &self.sizes.largest,
            side: self.side,
        }
    }

    fn current(&mut self) -> &mut Current {
        self.current
            .as_mut()
            .expect("scenes are loaded before their steps")
    }

    /// Sends what differs from run to run.
    fn send(&mut self, contents: &RunContents, scenes: &[RunScene<'_>]) -> Result<(), RenderError> {
        let mut send = || {
            let state = Tensor::f_from_slice(&contents.state.bytes)?;
            self.inputs.state.f_copy_(&state)?;
            let _ = self.forward.needed.f_zero_()?;
            Tensor::f_from_slice(&contents.table)?
                .f_view([contents.steps as i64, self.sizes.row.length as i64])?
                .f_to_device(self.launcher.device())
        };
        self.current = Some(Current {
            table: send().map_err(failed_to("sending strokes to the device"))?,
            scenes: loaded(scenes),
            reports: Vec::with_capacity(contents.steps),
        });
        Ok(())
    }

    /// The bytes of the penalties, and of them and `not_finite`.
    fn report_lengths(&self) -> [i64; 2] {
        let penalties = report_length(self.sizes.totals.strokes);
        [penalties, penalties + self.sizes.row.rates].map(|length| length as i64)
    }

    /// Waits for the device.
    fn read(&mut self) -> Result<Vec<MovedScene>, TchError> {
        let current = self.current.take().expect("a run ends once");
        let [_, length] = self.report_lengths();
        let state_length = self.inputs.state.numel();
        let mut parts = vec![self.inputs.state.shallow_clone()];
        parts.extend(current.reports);
        let bytes: Vec<u8> = Vec::try_from(&Tensor::f_cat(&parts, 0)?.f_to_device(Device::Cpu)?)?;
        let (state, reports) = bytes.split_at(state_length);
        let reports: Vec<&[u8]> = reports.chunks_exact(length as usize).collect();
        let state = State {
            bytes: state,
            starts: self.sizes.state_starts,
            strokes: self.sizes.totals.strokes,
        };
        Ok(state.scenes(&current.scenes, &reports))
    }
}

impl Inputs {
    /// Memory for the inputs, and a batch that points to them.
    fn new(launcher: &impl Launcher, sizes: &RunSizes) -> Result<(Self, Batch), TchError> {
        let device = launcher.device();
        let layout = Tensor::f_from_slice(&sizes.layout.bytes)?.f_to_device(device)?;
        let bytes = |count: usize| Tensor::f_zeros([count as i64], (Kind::Uint8, device));
        let state = bytes(sizes.state_length)?;
        let before_row = report_length(sizes.totals.strokes);
        let step = bytes(before_row + sizes.row.length)?;
        let batch = Batch {
            scenes: part(&layout, sizes.layout_starts.scenes),
            point_counts: part(&layout, sizes.layout_starts.point_counts),
            updates: part(&layout, sizes.layout_starts.updates),
            parameters: part(&state, sizes.state_starts.parameters),
            means: part(&state, sizes.state_starts.means),
            squares: part(&state, sizes.state_starts.squares),
            penalties: part(&step, 0),
            not_finite: part(&step, before_row),
            rates: part(&step, before_row + sizes.row.rates),
            views: part(&step, before_row + sizes.row.views),
            ..Batch::empty()
        };
        let inputs = Self {
            _layout: layout,
            state,
            step,
        };
        Ok((inputs, batch))
    }
}

impl<L: Launcher> StrokeRun for KernelRun<L> {
    fn load(&mut self, scenes: &[RunScene<'_>]) -> Result<bool, RenderError> {
        let PackedRun { sizes, contents } = PackedRun::new(scenes, self.side)?;
        let has_samples = sizes.largest.samples <= self.sizes.largest.samples;
        let fits = has_samples && sizes.layout == self.sizes.layout;
        if fits {
            self.send(&contents, scenes)?;
        }
        Ok(fits)
    }

    fn select_step(&mut self, step: usize) -> Result<(), RenderError> {
        let (start, length) = (self.report_lengths()[0], self.sizes.row.length as i64);
        let place = self.inputs.step.f_narrow(0, start, length);
        let row = self.current().table.f_select(0, step as i64);
        let copied = place.and_then(|mut place| place.f_copy_(&row?));
        copied.map_err(failed_to("selecting a step"))
    }

    fn forward(&self) -> Result<(), RenderError> {
        self.passes().forward(&self.forward.batch)
    }

    fn views(&self) -> &Tensor {
        &self.forward.views
    }

    fn update(&self, view_gradient: &Tensor) -> Result<(), RenderError> {
        let view_gradient = placed(view_gradient, &self.forward.views, self.launcher.device())?;
        let batch = self.backward.within(&self.forward.batch, &view_gradient);
        let passes = self.passes();
        passes.backward(&batch)?;
        passes.update(&batch)
    }

    fn keep_report(&mut self) -> Result<(), RenderError> {
        let [_, length] = self.report_lengths();
        let report = self.inputs.step.f_narrow(0, 0, length);
        let report = report.and_then(|report| duplicate(&report));
        let report = report.map_err(failed_to("keeping the report of a step"))?;
        self.current().reports.push(report);
        Ok(())
    }

    fn finish(&mut self) -> Result<Option<Vec<MovedScene>>, RenderError> {
        let scenes = self
            .read()
            .map_err(failed_to("reading strokes from the device"))?;
        let needed = self.forward.needed();
        let needed = needed.map_err(failed_to("reading strokes from the device"))?;
        if let Some(grown) = self.forward.room.grown_for(needed) {
            let mut room = self.room.lock();
            *room = room.grown_for(grown).unwrap_or(*room);
            return Ok(None);
        }
        Ok(Some(scenes))
    }
}
