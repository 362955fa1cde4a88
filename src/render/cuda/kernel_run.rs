//! Runs of steps in which strokes stay on the device.

use std::sync::Arc;

use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::launcher::Launcher;
use super::layout::Batch;
use super::memory::{BackwardMemory, ForwardMemory, part, placed};
use super::packing::{Largest, Totals, Upload};
use super::passes::Passes;
use super::room::Room;
use super::run_packing::{
    LoadedScene, PackedRun, RowStarts, State, StateStarts, loaded, report_length,
};
use crate::render::{MovedScene, RenderError, RunScene, StrokeRun};

/// A run by kernels that a launcher starts.
#[derive(Debug)]
pub(super) struct KernelRun<L> {
    launcher: Arc<L>,
    /// The room of the renderer, which grows when this run has too little.
    room: Arc<Mutex<Room>>,
    side: usize,
    totals: Totals,
    largest: Largest,
    layout: Upload,
    row: RowStarts,
    state_starts: StateStarts,
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
    /// Memory for runs of scenes like these.
    pub(super) fn new(
        launcher: Arc<L>,
        room: Arc<Mutex<Room>>,
        scenes: &[RunScene<'_>],
        side: usize,
    ) -> Result<Self, RenderError> {
        let packed = PackedRun::new(scenes, side)?;
        let (inputs, batch) =
            Inputs::new(&*launcher, &packed).map_err(failed_to("allocating memory for strokes"))?;
        let own_room = *room.lock();
        let sizes = (&packed.totals, &packed.largest);
        let forward = ForwardMemory::new(&*launcher, sizes, own_room, side, batch)
            .map_err(failed_to("allocating memory for a picture"))?;
        let backward = BackwardMemory::new(&*launcher, &packed.totals, own_room)
            .map_err(failed_to("allocating memory for a gradient"))?;
        Ok(Self {
            launcher,
            room,
            side,
            totals: packed.totals,
            largest: packed.largest,
            layout: packed.layout,
            row: packed.row,
            state_starts: packed.state_starts,
            forward,
            backward,
            inputs,
            current: None,
        })
    }

    fn passes(&self) -> Passes<'_, L> {
        Passes {
            launcher: &self.launcher,
            totals: &self.totals,
            largest: &self.largest,
            side: self.side,
        }
    }

    fn current(&mut self) -> &mut Current {
        self.current
            .as_mut()
            .expect("scenes are loaded before their steps")
    }

    fn send(&mut self, packed: &PackedRun, scenes: Vec<LoadedScene>) -> Result<(), TchError> {
        let state = Tensor::f_from_slice(&packed.state.bytes)?;
        self.inputs.state.f_copy_(&state)?;
        let _ = self.forward.needed.f_zero_()?;
        let table = Tensor::f_from_slice(&packed.table)?
            .f_view([packed.steps as i64, packed.row.length as i64])?
            .f_to_device(self.launcher.device())?;
        self.current = Some(Current {
            scenes,
            table,
            reports: Vec::with_capacity(packed.steps),
        });
        Ok(())
    }

    /// The bytes of the penalties, and of them and `not_finite`.
    fn report_lengths(&self) -> [i64; 2] {
        let penalties = report_length(self.totals.strokes);
        [penalties, penalties + self.row.rates].map(|length| length as i64)
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
            starts: self.state_starts,
            strokes: self.totals.strokes,
        };
        Ok(state.scenes(&current.scenes, &reports))
    }
}

impl Inputs {
    /// Memory for the inputs, and a batch that points to them.
    fn new(launcher: &impl Launcher, packed: &PackedRun) -> Result<(Self, Batch), TchError> {
        let device = launcher.device();
        let layout = Tensor::f_from_slice(&packed.layout.bytes)?.f_to_device(device)?;
        let bytes = |count: usize| Tensor::f_zeros([count as i64], (Kind::Uint8, device));
        let state = bytes(packed.state.bytes.len())?;
        let before_row = report_length(packed.totals.strokes);
        let step = bytes(before_row + packed.row.length)?;
        let batch = Batch {
            scenes: part(&layout, packed.layout_starts.scenes),
            point_counts: part(&layout, packed.layout_starts.point_counts),
            updates: part(&layout, packed.layout_starts.updates),
            parameters: part(&state, packed.state_starts.parameters),
            means: part(&state, packed.state_starts.means),
            squares: part(&state, packed.state_starts.squares),
            penalties: part(&step, 0),
            not_finite: part(&step, before_row),
            rates: part(&step, before_row + packed.row.rates),
            views: part(&step, before_row + packed.row.views),
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
        let packed = PackedRun::new(scenes, self.side)?;
        if packed.layout != self.layout || packed.largest.samples > self.largest.samples {
            return Ok(false);
        }
        self.send(&packed, loaded(scenes))
            .map_err(failed_to("sending strokes to the device"))?;
        Ok(true)
    }

    fn select_step(&mut self, step: usize) -> Result<(), RenderError> {
        let (start, length) = (self.report_lengths()[0], self.row.length as i64);
        let mut place = self.inputs.step.narrow(0, start, length);
        let current = self.current();
        let copied = current
            .table
            .f_select(0, step as i64)
            .and_then(|row| place.f_copy_(&row));
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
        let copy = || {
            let report = self.inputs.step.f_narrow(0, 0, length)?;
            let mut copy = report.f_empty_like()?;
            copy.f_copy_(&report)?;
            Ok(copy)
        };
        let report = copy().map_err(failed_to("keeping the report of a step"))?;
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
