//! The renderer that starts kernels.

use std::sync::Arc;

use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::launcher::Launcher;
use super::layout::{Batch, SIZES};
use super::memory::Packed;
use super::source::{
    Kernel, NEEDED_CHORDS, NEEDED_TILE_STROKES, STROKE_STRIDE, TILE, VIEW_THREADS,
};
use crate::compute::to_host;
use crate::render::{RenderError, Rendered, Renderer, Scene};
use crate::scene::StrokeGradient;

/// The number of blocks for each scene that take turns with its tile strokes: a few for each multiprocessor
/// of the largest GPUs, which have about 140.
const TILE_STROKE_BLOCKS: usize = 1024;

/// The pixels of a tile.
const PIXELS: usize = TILE * TILE;

/// How much memory a batch has for what is counted only on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Chords of a stroke.
    pub chords: usize,
    /// Tile strokes of a scene, 904 bytes each.
    pub tile_strokes: usize,
}

impl Default for Room {
    /// Enough for 256 strokes on a canvas of 224 by 224 pixels, which have 100 chords at most and about 5,000
    /// tile strokes.
    fn default() -> Self {
        Self {
            chords: 256,
            tile_strokes: 16_384,
        }
    }
}

impl Room {
    /// The room for what scenes need, twice as much as before if that suffices; `None` if there is enough.
    fn grown_for(self, needed: Self) -> Option<Self> {
        let grown = |room: usize, needed: usize| {
            if needed > room {
                needed.max(2 * room)
            } else {
                room
            }
        };
        let grown = Self {
            chords: grown(self.chords, needed.chords),
            tile_strokes: grown(self.tile_strokes, needed.tile_strokes),
        };
        (grown != self).then_some(grown)
    }
}

/// Renders with kernels, which a launcher starts.
///
/// How many chords and tile strokes there are is only known on the device. So there is room for some, the kernels leave
/// out what does not fit and report what they need, and a pass without enough room is done again with more. No
/// byte of a result depends on the room.
#[derive(Debug)]
pub struct KernelRenderer<L> {
    launcher: Arc<L>,
    room: Mutex<Room>,
}

impl<L: Launcher> KernelRenderer<L> {
    /// A renderer that starts with some room.
    pub fn new(launcher: L, room: Room) -> Self {
        Self {
            launcher: Arc::new(launcher),
            room: Mutex::new(room),
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
        let packed = Packed::new(scenes, image_size)?;
        let mut room = self.room();
        loop {
            let memory = ForwardMemory::new(&*self.launcher, &packed, room, image_size)
                .map_err(RenderError::while_doing("allocating memory for a picture"))?;
            let passes = Passes {
                launcher: &*self.launcher,
                packed: &packed,
                side: image_size,
            };
            passes.forward(&memory.batch)?;
            let needed = memory
                .needed()
                .map_err(RenderError::while_doing("rendering"))?;
            if let Some(grown) = room.grown_for(needed) {
                room = grown;
                continue;
            }
            *self.room.lock() = room;
            return Ok(Box::new(KernelRendered {
                launcher: Arc::clone(&self.launcher),
                packed,
                memory,
                side: image_size,
            }));
        }
    }
}

/// Starts the kernels of a pass.
struct Passes<'a, L> {
    launcher: &'a L,
    packed: &'a Packed,
    /// The side of a view in pixels.
    side: usize,
}

impl<L: Launcher> Passes<'_, L> {
    fn forward(&self, batch: &Batch) -> Result<(), RenderError> {
        let largest = &self.packed.largest;
        let view_pixels = largest.views * self.side * self.side;
        self.launch(batch, Kernel::Flatten, largest.strokes)?;
        self.launch(batch, Kernel::BinStrokes, largest.words)?;
        self.launch(batch, Kernel::CountTileStrokes, 1)?;
        self.launch(batch, Kernel::ListTileStrokes, largest.tiles)?;
        self.launch(batch, Kernel::CoverageForward, TILE_STROKE_BLOCKS)?;
        self.launch(batch, Kernel::CompositeForward, largest.tiles)?;
        self.launch(
            batch,
            Kernel::ViewsForward,
            view_pixels.div_ceil(VIEW_THREADS),
        )
    }

    fn backward(&self, batch: &Batch) -> Result<(), RenderError> {
        let largest = &self.packed.largest;
        self.launch(
            batch,
            Kernel::ViewsBackward,
            largest.area.div_ceil(VIEW_THREADS),
        )?;
        self.launch(batch, Kernel::CompositeBackward, largest.tiles)?;
        self.launch(batch, Kernel::CoverageBackward, TILE_STROKE_BLOCKS)?;
        self.launch(batch, Kernel::SumTileStrokes, largest.strokes)
    }

    fn launch(&self, batch: &Batch, kernel: Kernel, blocks: usize) -> Result<(), RenderError> {
        let grid = [blocks, self.packed.totals.scenes];
        if grid.contains(&0) {
            return Ok(());
        }
        Ok(self.launcher.launch(kernel, grid, batch)?)
    }
}

/// What the forward pass writes, and what it reads. The tensors own the memory that the batch points to.
#[derive(Debug)]
struct ForwardMemory {
    batch: Batch,
    room: Room,
    needed: Tensor,
    views: Tensor,
    _others: Vec<Tensor>,
}

impl ForwardMemory {
    fn new(
        launcher: &impl Launcher,
        packed: &Packed,
        room: Room,
        side: usize,
    ) -> Result<Self, TchError> {
        let (totals, upload) = (&packed.totals, &packed.upload);
        let device = launcher.device();
        let sent = Tensor::f_from_slice(&upload.bytes)?.f_to_device(device)?;
        let part = |start: usize| sent.data_ptr().wrapping_byte_add(start).cast::<f32>();
        let needed = Tensor::f_zeros([totals.scenes as i64, 2], (Kind::Int, device))?;
        let tile_strokes = totals.scenes * room.tile_strokes;
        let max_samples = packed.largest.samples;
        let view_shape = [totals.views, 3, side, side].map(|length| length as i64);
        let views = launcher
            .allocate(totals.views * 3 * side * side)?
            .f_reshape(view_shape)?;
        let mut others = Vec::new();
        let mut allocate = |count: usize| -> Result<*mut f32, TchError> {
            let memory = launcher.allocate(count)?;
            let start = memory.data_ptr().cast();
            others.push(memory);
            Ok(start)
        };
        let batch = Batch {
            scenes: part(upload.scenes),
            parameters: part(upload.parameters),
            point_counts: part(upload.point_counts),
            views: part(upload.views),
            needed: needed.data_ptr().cast(),
            chords: allocate(totals.strokes * room.chords * (SIZES.chord / 4))?,
            chord_counts: allocate(totals.strokes)?,
            tile_bounds: allocate(totals.strokes * 4)?,
            bits: allocate(totals.words)?,
            starts: allocate(totals.starts)?,
            tile_strokes: allocate(tile_strokes * (SIZES.tile_stroke / 4))?,
            coverage: allocate(tile_strokes * PIXELS)?,
            pictures: allocate(totals.picture_values)?,
            sources: allocate(totals.views * (side * max_samples).pow(2) * 2)?,
            view_pixels: views.data_ptr().cast(),
            max_chords: room.chords as i32,
            max_tile_strokes: room.tile_strokes as i32,
            side: side as i32,
            max_samples: max_samples as i32,
            ..Batch::empty()
        };
        others.push(sent);
        Ok(Self {
            batch,
            room,
            needed,
            views,
            _others: others,
        })
    }

    /// The room that the scene with the most of each needs. Waits for the kernels.
    fn needed(&self) -> Result<Room, TchError> {
        let needed: Vec<i32> = Vec::try_from(&self.needed.f_to_device(Device::Cpu)?.f_view([-1])?)?;
        let (scenes, _) = needed.as_chunks::<2>();
        let most = |kind: usize| {
            let numbers = scenes.iter().map(|scene| scene[kind].max(0) as usize);
            numbers.max().unwrap_or(0)
        };
        Ok(Room {
            chords: most(NEEDED_CHORDS),
            tile_strokes: most(NEEDED_TILE_STROKES),
        })
    }
}

/// Rendered views, with the memory that the backward pass reads.
struct KernelRendered<L> {
    launcher: Arc<L>,
    packed: Packed,
    memory: ForwardMemory,
    side: usize,
}

impl<L: Launcher> KernelRendered<L> {
    /// The gradients of all strokes, as the kernels write them.
    fn parameter_gradient(&self, view_gradient: &Tensor) -> Result<Tensor, RenderError> {
        let failed = || RenderError::while_doing("allocating memory for a gradient");
        let (launcher, totals) = (&*self.launcher, &self.packed.totals);
        let view_gradient = view_gradient
            .f_to_device(launcher.device())
            .and_then(|gradient| gradient.f_to_kind(Kind::Float))
            .and_then(|gradient| gradient.f_contiguous())
            .and_then(|gradient| gradient.f_view_as(&self.memory.views))
            .map_err(RenderError::while_doing(
                "moving the gradient on the views to the device",
            ))?;
        let tile_strokes = totals.scenes * self.memory.room.tile_strokes;
        let allocate = |count: usize| launcher.allocate(count).map_err(failed());
        let picture_gradient = allocate(totals.picture_values)?;
        let transmittance = allocate(tile_strokes * PIXELS)?;
        let paint_gradient = allocate(tile_strokes * PIXELS)?;
        let contributions = allocate(tile_strokes * STROKE_STRIDE)?;
        let parameter_gradient = allocate(totals.strokes * STROKE_STRIDE)?;
        let batch = Batch {
            view_gradient: view_gradient.data_ptr().cast(),
            picture_gradient: picture_gradient.data_ptr().cast(),
            transmittance: transmittance.data_ptr().cast(),
            paint_gradient: paint_gradient.data_ptr().cast(),
            contributions: contributions.data_ptr().cast(),
            parameter_gradient: parameter_gradient.data_ptr().cast(),
            ..self.memory.batch
        };
        let passes = Passes {
            launcher,
            packed: &self.packed,
            side: self.side,
        };
        passes.backward(&batch)?;
        Ok(parameter_gradient)
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
