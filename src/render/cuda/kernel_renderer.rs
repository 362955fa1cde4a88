//! The renderer that starts kernels.

use std::sync::Arc;

use parking_lot::Mutex;
use tch::{TchError, Tensor};

use super::estimate::estimate;
use super::kernel_run::KernelRun;
use super::launcher::Launcher;
use super::layout::Batch;
use super::memory::{BackwardMemory, ForwardMemory, part, placed};
use super::packing::Packed;
use super::passes::Passes;
use super::room::Room;
use crate::compute::to_host;
use crate::render::{RenderError, Rendered, Renderer, RunScene, Scene, StrokeRun, StrokeRuns};
use crate::scene::{Canvas, StrokeGradient};

/// Renders with kernels, which a launcher starts.
///
/// How many chords and tile strokes there are is only known on the device. So there is room for some, the kernels leave
/// out what does not fit and report what they need, and a pass without enough room is done again with more. No
/// byte of a result depends on the room.
#[derive(Debug)]
pub struct KernelRenderer<L> {
    launcher: Arc<L>,
    room: Arc<Mutex<Room>>,
}

impl<L: Launcher> KernelRenderer<L> {
    /// A renderer that starts with some room.
    pub fn new(launcher: L, room: Room) -> Self {
        Self {
            launcher: Arc::new(launcher),
            room: Arc::new(Mutex::new(room)),
        }
    }

    /// What starts the kernels.
    pub fn launcher(&self) -> &L {
        &self.launcher
    }

    /// The room that suffices for everything rendered so far.
    pub fn room(&self) -> Room {
        *self.room.lock()
    }
}

impl<L: Launcher + 'static> Renderer for KernelRenderer<L> {
    fn forward(
        &self,
        scenes: &[Scene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn Rendered>, RenderError> {
        let mut packed = Packed::new(scenes, image_size)?;
        let mut room = self.room();
        loop {
            let (sent, memory) = forward_memory(&*self.launcher, &packed, room, image_size)
                .map_err(RenderError::while_doing("allocating memory for a picture"))?;
            let rendered = KernelRendered {
                launcher: Arc::clone(&self.launcher),
                packed,
                _sent: sent,
                memory,
                side: image_size,
            };
            rendered.passes().forward(&rendered.memory.batch)?;
            let needed = rendered
                .memory
                .needed()
                .map_err(RenderError::while_doing("rendering"))?;
            if let Some(grown) = room.grown_for(needed) {
                room = grown;
                packed = rendered.packed;
                continue;
            }
            *self.room.lock() = room;
            return Ok(Box::new(rendered));
        }
    }

    fn stroke_runs(&self) -> Option<&dyn StrokeRuns> {
        Some(self)
    }
}

impl<L: Launcher + 'static> StrokeRuns for KernelRenderer<L> {
    fn start_run(
        &self,
        scenes: &[RunScene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn StrokeRun>, RenderError> {
        Ok(Box::new(KernelRun::new(
            Arc::clone(&self.launcher),
            Arc::clone(&self.room),
            scenes,
            image_size,
        )?))
    }

    fn memory_of(&self, canvas: &Canvas, strokes: usize, views: usize, image_size: usize) -> u64 {
        estimate(self.room(), canvas, strokes, views, image_size)
    }
}

/// Sends a batch to the device. Returns the tensor that owns it, and memory for the forward pass.
fn forward_memory(
    launcher: &impl Launcher,
    packed: &Packed,
    room: Room,
    side: usize,
) -> Result<(Tensor, ForwardMemory), TchError> {
    let sent = Tensor::f_from_slice(&packed.upload.bytes)?.f_to_device(launcher.device())?;
    let starts = &packed.starts;
    let inputs = Batch {
        scenes: part(&sent, starts.scenes),
        parameters: part(&sent, starts.parameters),
        point_counts: part(&sent, starts.point_counts),
        views: part(&sent, starts.views),
        ..Batch::empty()
    };
    let sizes = (&packed.totals, &packed.largest);
    let memory = ForwardMemory::new(launcher, sizes, room, side, inputs)?;
    Ok((sent, memory))
}

/// Rendered views, with the memory that the backward pass reads.
struct KernelRendered<L> {
    launcher: Arc<L>,
    packed: Packed,
    _sent: Tensor,
    memory: ForwardMemory,
    side: usize,
}

impl<L: Launcher> KernelRendered<L> {
    fn passes(&self) -> Passes<'_, L> {
        Passes {
            launcher: &self.launcher,
            totals: &self.packed.totals,
            largest: &self.packed.largest,
            side: self.side,
        }
    }

    /// The gradients of all strokes, as the kernels write them.
    fn parameter_gradient(&self, view_gradient: &Tensor) -> Result<Tensor, RenderError> {
        let launcher = &*self.launcher;
        let view_gradient = placed(view_gradient, &self.memory.views, launcher.device())?;
        let memory = BackwardMemory::new(launcher, &self.packed.totals, self.memory.room)
            .map_err(RenderError::while_doing("allocating memory for a gradient"))?;
        let batch = memory.within(&self.memory.batch, &view_gradient);
        self.passes().backward(&batch)?;
        Ok(memory.parameter_gradient)
    }
}

impl<L: Launcher> Rendered for KernelRendered<L> {
    fn views(&self) -> &Tensor {
        &self.memory.views
    }

    fn backward(&self, view_gradient: &Tensor) -> Result<Vec<StrokeGradient>, RenderError> {
        let values = to_host(&self.parameter_gradient(view_gradient)?).map_err(
            RenderError::while_doing("reading the gradient on the strokes"),
        )?;
        Ok(self.packed.unpack(&values))
    }
}
