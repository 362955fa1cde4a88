//! Strokes to a picture, tile by tile.

use rayon::prelude::*;

use super::coverage::{Outline, cover};
use super::nearest::{Nearest, Plane, ZEROS};
use super::plan::{Entry, Plan, TILE};
use crate::scene::{Canvas, Picture, Rgba, Strokes};

/// The colour of the pixels of a tile: a plane for each channel.
pub(super) type TileColor = [Plane; 3];

/// Lays paint of one colour over a pixel: `below (1 - paint) + paint color`.
#[inline(always)]
pub(super) fn over(below: f32, paint: f32, color: f32) -> f32 {
    below * (1.0 - paint) + paint * color
}

/// The outline of a stroke against a tile that it touches without covering it.
pub(super) fn outline<'a>(
    plan: &'a Plan,
    strokes: &Strokes,
    entry: &Entry,
    corner: [f32; 2],
) -> Outline<'a> {
    let (chords, candidates) = plan.candidates(entry);
    Outline {
        chords,
        candidates,
        half_width: strokes.half_widths[entry.stroke as usize],
        corner,
    }
}

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
    bands
        .into_par_iter()
        .enumerate()
        .for_each(|(row, (red, green, blue))| {
            let mut painter = Painter::new(plan, strokes, canvas);
            for column in 0..plan.tiles[0] {
                painter.paint(column, row);
                let left = column * TILE;
                for (channel, band) in [&mut *red, &mut *green, &mut *blue].into_iter().enumerate()
                {
                    for (line, colors) in band.chunks_mut(width).zip(&painter.colors[channel]) {
                        let line = &mut line[left..];
                        let count = line.len().min(TILE);
                        line[..count].copy_from_slice(&colors[..count]);
                    }
                }
            }
        });
    Picture::new(width, height, values)
}

/// Paints one tile after the other.
#[derive(Debug)]
struct Painter<'a> {
    plan: &'a Plan,
    strokes: &'a Strokes,
    background: [f32; 3],
    nearest: Nearest,
    coverage: Plane,
    colors: TileColor,
}

impl<'a> Painter<'a> {
    fn new(plan: &'a Plan, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            plan,
            strokes,
            background: canvas.background.channels(),
            nearest: Nearest::NOTHING,
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
            if entry.is_solid() {
                lay_everywhere(&mut self.colors, color);
            } else if color[3] > 0.0 {
                let outline = outline(self.plan, self.strokes, entry, corner);
                let rows = cover(&outline, &mut self.nearest, &mut self.coverage);
                for row in rows {
                    lay(&mut self.colors, row, &self.coverage[row], color);
                }
            }
        }
    }
}

/// Lays one stroke over one row of pixels.
#[inline(always)]
pub(super) fn lay(colors: &mut TileColor, row: usize, coverage: &[f32; TILE], color: Rgba) {
    for (plane, channel) in colors.iter_mut().zip(color) {
        for (value, coverage) in plane[row].iter_mut().zip(coverage) {
            *value = over(*value, coverage * color[3], channel);
        }
    }
}

/// Lays one stroke over every pixel of a tile.
#[inline(always)]
pub(super) fn lay_everywhere(colors: &mut TileColor, color: Rgba) {
    for row in 0..TILE {
        lay(colors, row, &[1.0; TILE], color);
    }
}
