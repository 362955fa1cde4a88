//! Strokes to a picture, tile by tile.

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

/// The strokes on a tile that can be seen: nothing shows below an opaque stroke that covers it.
pub(super) fn visible<'a>(bins: &'a TileBins, strokes: &Strokes, tile: usize) -> &'a [TileStroke] {
    let tile_strokes = bins.strokes_on(tile);
    let hides = |tile_stroke: &TileStroke| {
        tile_stroke.is_solid() && strokes.colors[tile_stroke.stroke as usize][3] >= 1.0
    };
    &tile_strokes[tile_strokes.iter().rposition(hides).unwrap_or(0)..]
}

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
    let bands = (plane(), plane(), plane());
    bands.into_par_iter().enumerate().for_each_init(
        || Forward::new(bins, strokes, canvas),
        |forward, (row, (red, green, blue))| {
            for column in 0..bins.tiles[0] {
                forward.paint(column, row);
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
        let count = line.len().min(TILE);
        line[..count].copy_from_slice(&colors[..count]);
    }
}

/// Paints one tile after the other.
#[derive(Debug)]
struct Forward<'a> {
    bins: &'a TileBins,
    strokes: &'a Strokes,
    background: [f32; 3],
    level: Level,
    outline: Outline,
    coverage: Plane,
    colors: TileColor,
}

impl<'a> Forward<'a> {
    fn new(bins: &'a TileBins, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            bins,
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
        let tile = row * self.bins.tiles[0] + column;
        for tile_stroke in visible(self.bins, self.strokes, tile) {
            let color = self.strokes.colors[tile_stroke.stroke as usize];
            let Self {
                outline,
                coverage,
                colors,
                level,
                ..
            } = self;
            if tile_stroke.is_solid() {
                dispatch!(*level, simd => composite(simd, colors, &SOLID, 0..TILE, color));
            } else if color[3] > 0.0 {
                let half_width = self.strokes.half_widths[tile_stroke.stroke as usize];
                outline.set(self.bins.candidates(tile_stroke), half_width, corner);
                dispatch!(*level, simd => {
                    outline.cover(simd, coverage);
                    composite(simd, colors, coverage, outline.rows(), color);
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
pub(super) fn composite<S: Simd>(
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
