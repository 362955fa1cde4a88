//! Strokes to a picture, tile by tile.

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase, dispatch, f32x8};
use rayon::prelude::*;

use super::coverage::Outline;
use super::lanes::{Plane, TILE, ZEROS};
use super::plan::Plan;
use super::sorter::Entry;
use crate::scene::{Canvas, Picture, Rgba, Strokes};

/// The colour of the pixels of a tile: a plane for each channel.
pub(super) type TileColor = [Plane; 3];

/// The entries of a tile that can be seen: nothing shows below an opaque stroke that covers it.
pub(super) fn visible<'a>(plan: &'a Plan, strokes: &Strokes, tile: usize) -> &'a [Entry] {
    let entries = plan.entries(tile);
    let hides = |entry: &Entry| entry.is_solid() && strokes.colors[entry.stroke as usize][3] >= 1.0;
    &entries[entries.iter().rposition(hides).unwrap_or(0)..]
}

/// Paints the strokes of a plan over the canvas.
pub(super) fn picture(plan: &Plan, strokes: &Strokes, canvas: &Canvas) -> Picture {
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let mut values = vec![0.0; 3 * width * height];
    let mut planes = values.chunks_mut((width * height).max(1));
    let mut plane = || {
        planes
            .next()
            .unwrap_or_default()
            .par_chunks_mut(TILE * width)
    };
    let bands = (plane(), plane(), plane());
    bands.into_par_iter().enumerate().for_each_init(
        || Painter::new(plan, strokes, canvas),
        |painter, (row, (red, green, blue))| {
            for column in 0..plan.tiles[0] {
                painter.paint(column, row);
                for (channel, band) in [&mut *red, &mut *green, &mut *blue].into_iter().enumerate()
                {
                    paste(&painter.colors[channel], band, width, column * TILE);
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
        let count = line.len().min(TILE);
        line[..count].copy_from_slice(&colors[..count]);
    }
}

/// Paints one tile after the other.
#[derive(Debug)]
struct Painter<'a> {
    plan: &'a Plan,
    strokes: &'a Strokes,
    background: [f32; 3],
    level: Level,
    outline: Outline,
    coverage: Plane,
    colors: TileColor,
}

impl<'a> Painter<'a> {
    fn new(plan: &'a Plan, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            plan,
            strokes,
            background: canvas.background.channels(),
            level: Level::new(),
            outline: Outline::nothing(),
            coverage: ZEROS,
            colors: [ZEROS; 3],
        }
    }

    fn paint(&mut self, column: usize, row: usize) {
        self.colors = self.background.map(|channel| [[channel; TILE]; TILE]);
        let corner = [column, row].map(|tile| (tile * TILE) as f32);
        let tile = row * self.plan.tiles[0] + column;
        for entry in visible(self.plan, self.strokes, tile) {
            let color = self.strokes.colors[entry.stroke as usize];
            let Self {
                outline,
                coverage,
                colors,
                level,
                ..
            } = self;
            if entry.is_solid() {
                dispatch!(*level, simd => lay(simd, colors, &SOLID, 0..TILE, color));
            } else if color[3] > 0.0 {
                let half_width = self.strokes.half_widths[entry.stroke as usize];
                outline.set(self.plan.candidates(entry), half_width, corner);
                dispatch!(*level, simd => {
                    outline.cover(simd, coverage);
                    lay(simd, colors, coverage, outline.rows(), color);
                });
            }
        }
    }
}

/// Every pixel of a tile covered.
pub(super) const SOLID: Plane = [[1.0; TILE]; TILE];

/// Lays one stroke over some rows of a tile: `below (1 - paint) + paint color`.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
pub(super) fn lay<S: Simd>(
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
