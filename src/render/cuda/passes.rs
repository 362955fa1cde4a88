//! Which kernels a pass starts, on which grids.

use super::launcher::Launcher;
use super::layout::Batch;
use super::packing::{Largest, Totals};
use super::source::{Kernel, STROKE_STRIDE, UPDATE_THREADS, VIEW_THREADS};
use crate::render::RenderError;

/// The number of blocks for each scene that take turns with its tile strokes: a few for each multiprocessor
/// of the largest GPUs, which have about 140.
const TILE_STROKE_BLOCKS: usize = 1024;

/// Starts the kernels of a pass.
#[derive(Debug)]
pub(super) struct Passes<'a, L> {
    pub(super) launcher: &'a L,
    pub(super) totals: &'a Totals,
    pub(super) largest: &'a Largest,
    /// The side of a view in pixels.
    pub(super) side: usize,
}

impl<L: Launcher> Passes<'_, L> {
    /// Strokes to views.
    pub(super) fn forward(&self, batch: &Batch) -> Result<(), RenderError> {
        let largest = self.largest;
        let view_pixels = largest.views * self.side * self.side;
        self.launch(batch, Kernel::Flatten, largest.strokes)?;
        self.launch(batch, Kernel::BinStrokes, largest.words)?;
        self.launch(batch, Kernel::CountTileStrokes, 1)?;
        self.launch(batch, Kernel::ListTileStrokes, largest.tiles)?;
        self.launch(batch, Kernel::CoverageForward, TILE_STROKE_BLOCKS)?;
        self.launch(batch, Kernel::CompositeForward, largest.tiles)?;
        self.launch(
            batch,
            Kernel::PoolForward,
            largest.pooled_area.div_ceil(VIEW_THREADS),
        )?;
        self.launch(
            batch,
            Kernel::ViewsForward,
            view_pixels.div_ceil(VIEW_THREADS),
        )
    }

    /// A gradient on views to one on strokes.
    pub(super) fn backward(&self, batch: &Batch) -> Result<(), RenderError> {
        let largest = self.largest;
        self.launch(
            batch,
            Kernel::ViewsBackward,
            largest.seen_area.div_ceil(VIEW_THREADS),
        )?;
        self.launch(
            batch,
            Kernel::PoolBackward,
            largest.pooled_canvas_area.div_ceil(VIEW_THREADS),
        )?;
        self.launch(batch, Kernel::CompositeBackward, largest.tiles)?;
        self.launch(batch, Kernel::CoverageBackward, TILE_STROKE_BLOCKS)?;
        self.launch(batch, Kernel::SumTileStrokes, largest.strokes)
    }

    /// A gradient on strokes to other strokes.
    pub(super) fn update(&self, batch: &Batch) -> Result<(), RenderError> {
        let numbers = self.largest.strokes * STROKE_STRIDE;
        self.launch(batch, Kernel::UpdateMoments, self.largest.strokes)?;
        self.launch(
            batch,
            Kernel::UpdateStrokes,
            numbers.div_ceil(UPDATE_THREADS),
        )
    }

    fn launch(&self, batch: &Batch, kernel: Kernel, blocks: usize) -> Result<(), RenderError> {
        let grid = [blocks, self.totals.scenes];
        if grid.contains(&0) {
            return Ok(());
        }
        Ok(self.launcher.launch(kernel, grid, batch)?)
    }
}
