//! The forward pass: strokes to a picture, tile by tile.

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase, dispatch, f32x8};
use rayon::prelude::*;

use super::binner::TileStroke;
use super::coverage::Outline;
use super::lanes::{Plane, TILE, ZEROS};
use super::tile_bins::TileBins;
use crate::scene::{Canvas, Picture, Rgba, Strokes};

/// The colour of the pixels of a tile: a plane for each channel.
pub(super) type TileColor = [Plane; 3];

/// Paints strokes, binned into tiles, over the canvas.
pub(super) fn forward(bins: &TileBins, strokes: &Strokes, canvas: &Canvas) -> Picture {
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let mut values = vec![0.0; 3 * width * height];
    let mut planes = values.chunks_mut((width * height).max(1));
    let mut plane = || {
        planes
            .next()
            .unwrap_or_default()
            .par_chunks_mut(TILE * width)
    };
    // One task per row of tiles: a band of rows of pixels in each of the three planes.
    let bands = (plane(), plane(), plane());
    bands.into_par_iter().enumerate().for_each_init(
        || Forward::new(TilePainter::new(bins, strokes, canvas)),
        |forward, (row, (red, green, blue))| {
            for column in 0..bins.tiles[0] {
                forward.tile([column, row]);
                for (channel, band) in [&mut *red, &mut *green, &mut *blue].into_iter().enumerate()
                {
                    paste(&forward.colors[channel], band, width, column * TILE);
                }
            }
        },
    );
    Picture::new(width, height, values)
}

/// Writes a tile into a row of tiles, as far as it lies on the canvas.
fn paste(tile: &Plane, band: &mut [f32], width: usize, left: usize) {
    for (line, colors) in band.chunks_mut(width).zip(tile) {
        let line = &mut line[left..];
        // Nearly always there is room for a whole row, which is one vector.
        match line.first_chunk_mut() {
            Some(line) => *line = *colors,
            None => line.copy_from_slice(&colors[..line.len()]),
        }
    }
}

/// Paints one tile after the other, without a tape.
#[derive(Debug)]
struct Forward<'a> {
    painter: TilePainter<'a>,
    scratch: Scratch,
    colors: TileColor,
}

impl<'a> Forward<'a> {
    fn new(painter: TilePainter<'a>) -> Self {
        Self {
            painter,
            scratch: Scratch::new(),
            colors: [ZEROS; 3],
        }
    }

    fn tile(&mut self, tile: [usize; 2]) {
        self.colors = self.painter.background();
        let visible = self.painter.split(tile).visible;
        self.painter
            .paint(visible, tile, &mut self.scratch, &mut self.colors);
    }
}

/// Memory to paint a stroke with, kept from stroke to stroke.
#[derive(Debug)]
pub(super) struct Scratch {
    outline: Outline,
    coverage: Plane,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            outline: Outline::nothing(),
            coverage: ZEROS,
        }
    }
}

/// The strokes on a tile that matter, the lowest first.
///
/// ```text
///   top      a   b            visible: C, b, a
///          C ========         hidden:  D, e
///            e                f matters neither to the picture nor to a gradient
///          D ========
///   bottom   f                ==== an opaque stroke that covers the tile
/// ```
#[derive(Debug, Clone, Copy)]
pub(super) struct TileStrokes<'a> {
    /// What would show if the lowest visible stroke were not opaque.
    pub(super) hidden: &'a [TileStroke],
    /// The strokes that can be seen: nothing shows below an opaque stroke that covers the tile.
    pub(super) visible: &'a [TileStroke],
}

/// What the forward and the backward pass paint tiles from.
#[derive(Debug, Clone, Copy)]
pub(super) struct TilePainter<'a> {
    pub(super) bins: &'a TileBins,
    /// The instruction set of the machine.
    pub(super) level: Level,
    strokes: &'a Strokes,
    background: [f32; 3],
}

impl<'a> TilePainter<'a> {
    /// A painter of strokes that are binned already.
    pub(super) fn new(bins: &'a TileBins, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            bins,
            level: Level::new(),
            strokes,
            background: canvas.background.channels(),
        }
    }

    /// A tile of bare canvas.
    pub(super) fn background(&self) -> TileColor {
        self.background.map(|channel| [[channel; TILE]; TILE])
    }

    /// The strokes on the tile in a column and a row that matter.
    ///
    /// Hidden strokes have no gradient, as nothing of them is in the picture. But the opaque stroke above
    /// them would show them if its opacity fell, so its own gradient depends on them.
    pub(super) fn split(&self, [column, row]: [usize; 2]) -> TileStrokes<'a> {
        let strokes = self.bins.strokes_on(row * self.bins.tiles[0] + column);
        let hides = |stroke: &TileStroke| stroke.is_solid() && self.color(stroke)[3] >= 1.0;
        let lowest = strokes.iter().rposition(hides).unwrap_or(0);
        let (below, visible) = strokes.split_at(lowest);
        let hidden = &below[below.iter().rposition(hides).unwrap_or(0)..];
        TileStrokes { hidden, visible }
    }

    /// Paints strokes over a tile.
    pub(super) fn paint(
        &self,
        strokes: &[TileStroke],
        tile: [usize; 2],
        scratch: &mut Scratch,
        colors: &mut TileColor,
    ) {
        // Painter's order is fixed by the strokes alone, never by the threads: `over` does not commute.
        for stroke in strokes {
            let color = self.color(stroke);
            if stroke.is_solid() {
                self.composite(colors, &SOLID, 0..TILE, color);
            } else if color[3] > 0.0 {
                let Scratch { outline, coverage } = scratch;
                self.set_outline(outline, stroke, tile);
                dispatch!(self.level, simd => outline.cover(simd, coverage));
                self.composite(colors, coverage, outline.rows(), color);
            }
        }
    }

    /// The colour of a stroke.
    pub(super) fn color(&self, stroke: &TileStroke) -> Rgba {
        self.strokes.colors[stroke.stroke as usize]
    }

    /// Turns an outline into that of a stroke on the tile in a column and a row.
    pub(super) fn set_outline(&self, outline: &mut Outline, stroke: &TileStroke, tile: [usize; 2]) {
        let half_width = self.strokes.half_widths[stroke.stroke as usize];
        // Relative to the tile's corner coordinates are small, where single precision is finest.
        let corner = tile.map(|index| (index * TILE) as f32);
        outline.set(self.bins.candidates(stroke), half_width, corner);
    }

    /// Composites one stroke over some rows of a tile.
    pub(super) fn composite(
        &self,
        colors: &mut TileColor,
        coverage: &Plane,
        rows: Range<usize>,
        color: Rgba,
    ) {
        dispatch!(self.level, simd => composite(simd, colors, coverage, rows, color));
    }
}

/// The coverage of a tile that a stroke covers wholly.
pub(super) const SOLID: Plane = [[1.0; TILE]; TILE];

/// Composites one stroke over some rows of a tile: `below (1 - paint) + paint color`, where `paint`
/// is coverage times opacity. This is the operator `over` for straight colors (Porter and Duff,
/// "Compositing Digital Images", SIGGRAPH 1984) on an opaque canvas, as SVG viewers blend in sRGB.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn composite<S: Simd>(
    simd: S,
    colors: &mut TileColor,
    coverage: &Plane,
    rows: Range<usize>,
    color: Rgba,
) {
    let [red, green, blue, opacity] = color;
    for row in rows {
        let paint = f32x8::load_array_ref(simd, &coverage[row]) * opacity;
        let rest = f32x8::splat(simd, 1.0) - paint;
        for (plane, channel) in colors.iter_mut().zip([red, green, blue]) {
            let below = f32x8::load_array_ref(simd, &plane[row]);
            (below * rest + paint * channel).store_array(&mut plane[row]);
        }
    }
}
