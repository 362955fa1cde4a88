//! The memory of a batch on the device. Tensors own what a [`Batch`] points to.

use tch::{Device, Kind, TchError, Tensor};

use super::launcher::Launcher;
use super::layout::{Batch, SIZES};
use super::packing::{Largest, Totals};
use super::room::Room;
use super::source::{NEEDED_CHORDS, NEEDED_TILE_STROKES, STROKE_STRIDE, TILE};
use crate::render::RenderError;

/// The pixels of a tile.
const PIXELS: usize = TILE * TILE;

/// The place of a part of a tensor, which starts after some bytes.
pub(super) fn part(tensor: &Tensor, start: usize) -> *mut f32 {
    tensor.data_ptr().wrapping_byte_add(start).cast()
}

/// What the forward pass writes.
#[derive(Debug)]
pub(super) struct ForwardMemory {
    /// Where it is, and what the forward pass reads.
    pub(super) batch: Batch,
    /// How much room it has.
    pub(super) room: Room,
    /// The room that each scene needs, `[scenes, 2]`; zeros before the pass.
    pub(super) needed: Tensor,
    /// The views, `[N, 3, R, R]`.
    pub(super) views: Tensor,
    _others: Vec<Tensor>,
}

impl ForwardMemory {
    /// Memory for a batch whose scenes, strokes and views are where `inputs` says. Views have `side` by `side` pixels.
    pub(super) fn new(
        launcher: &impl Launcher,
        (totals, largest): (&Totals, &Largest),
        room: Room,
        side: usize,
        inputs: Batch,
    ) -> Result<Self, TchError> {
        let needed = Tensor::f_zeros([totals.scenes as i64, 2], (Kind::Int, launcher.device()))?;
        let tile_strokes = totals.scenes * room.tile_strokes;
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
            needed: needed.data_ptr().cast(),
            chords: allocate(totals.strokes * room.chords * (SIZES.chord / 4))?,
            chord_counts: allocate(totals.strokes)?,
            tile_bounds: allocate(totals.strokes * 4)?,
            bits: allocate(totals.words)?,
            starts: allocate(totals.starts)?,
            tile_strokes: allocate(tile_strokes * (SIZES.tile_stroke / 4))?,
            coverage: allocate(tile_strokes * PIXELS)?,
            pictures: allocate(totals.picture_values)?,
            pooled_pictures: allocate(totals.pooled_values)?,
            sources: allocate(totals.views * (side * largest.samples).pow(2) * 2)?,
            view_pixels: views.data_ptr().cast(),
            max_chords: room.chords as i32,
            max_tile_strokes: room.tile_strokes as i32,
            side: side as i32,
            max_samples: largest.samples as i32,
            ..inputs
        };
        Ok(Self {
            batch,
            room,
            needed,
            views,
            _others: others,
        })
    }

    /// The room that the scene with the most of each needs. Waits for the kernels.
    pub(super) fn needed(&self) -> Result<Room, TchError> {
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

/// What the backward pass writes.
#[derive(Debug)]
pub(super) struct BackwardMemory {
    /// The gradient on strokes, `[strokes, STROKE_STRIDE]`.
    pub(super) parameter_gradient: Tensor,
    picture_gradient: Tensor,
    pooled_gradient: Tensor,
    transmittance: Tensor,
    paint_gradient: Tensor,
    contributions: Tensor,
}

impl BackwardMemory {
    /// Memory for a batch with some room.
    pub(super) fn new(
        launcher: &impl Launcher,
        totals: &Totals,
        room: Room,
    ) -> Result<Self, TchError> {
        let tile_strokes = totals.scenes * room.tile_strokes;
        Ok(Self {
            parameter_gradient: launcher.allocate(totals.strokes * STROKE_STRIDE)?,
            picture_gradient: launcher.allocate(totals.picture_values)?,
            pooled_gradient: launcher.allocate(totals.pooled_values)?,
            transmittance: launcher.allocate(tile_strokes * PIXELS)?,
            paint_gradient: launcher.allocate(tile_strokes * PIXELS)?,
            contributions: launcher.allocate(tile_strokes * STROKE_STRIDE)?,
        })
    }

    /// The batch with this memory and a gradient on its views.
    pub(super) fn within(&self, batch: &Batch, view_gradient: &Tensor) -> Batch {
        Batch {
            view_gradient: part(view_gradient, 0),
            picture_gradient: part(&self.picture_gradient, 0),
            pooled_gradient: part(&self.pooled_gradient, 0),
            transmittance: part(&self.transmittance, 0),
            paint_gradient: part(&self.paint_gradient, 0),
            contributions: part(&self.contributions, 0),
            parameter_gradient: part(&self.parameter_gradient, 0),
            ..*batch
        }
    }
}

/// The gradient on views as the kernels read it: 32-bit, in one piece, on the device.
pub(super) fn placed(
    view_gradient: &Tensor,
    views: &Tensor,
    device: Device,
) -> Result<Tensor, RenderError> {
    view_gradient
        .f_to_device(device)
        .and_then(|gradient| gradient.f_to_kind(Kind::Float))
        .and_then(|gradient| gradient.f_contiguous())
        .and_then(|gradient| gradient.f_view_as(views))
        .map_err(RenderError::while_doing(
            "moving the gradient on the views to the device",
        ))
}
