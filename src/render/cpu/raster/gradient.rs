//! The gradient of a number that depends on a picture, by the strokes that the picture shows.
//!
//! Every tile is painted again, with each layer kept, and then lifted layer by layer from the top.
//! What a layer gives to its stroke goes into a list; the lists of all tiles are added up in the
//! order of the tiles, so the sum does not depend on which thread worked on which tile.

use fearless_simd::{Level, Select, Simd, SimdBase, SimdCombine, dispatch, f32x8, f32x16};
use rayon::prelude::*;

use super::coverage::{Outline, Traced};
use super::lanes::{Line, TILE, ZEROS, by_pixel, total};
use super::paint::{SOLID, TileColor, lay, visible};
use super::plan::Plan;
use super::sorter::Entry;
use crate::scene::{Canvas, Picture, Rgba, StrokeGradient, Strokes};

/// What a tile gives to a stroke.
#[derive(Debug, Clone, Copy)]
struct StrokeShare {
    half_width: f32,
    color: Rgba,
}

/// What a tile gives to the ends of a chord: start right, start down, end right, end down.
type ChordShare = [f32; 4];

/// What a row of tiles gives, in the order of its tiles and from the top layer down.
#[derive(Debug, Default)]
struct Shares {
    strokes: Vec<(u32, StrokeShare)>,
    /// The chord, counted over all strokes.
    chords: Vec<(u32, ChordShare)>,
}

/// The gradient by every number of `strokes`: each is what a change of 1 adds to the loss whose
/// gradient by the picture is `picture_gradient`.
pub(super) fn gradient(
    plan: &Plan,
    strokes: &Strokes,
    canvas: &Canvas,
    picture_gradient: &Picture,
) -> StrokeGradient {
    let bands: Vec<Shares> = (0..plan.tiles[1])
        .into_par_iter()
        .map_init(
            || Lifter::new(plan, strokes, canvas),
            |lifter, row| {
                for column in 0..plan.tiles[0] {
                    lifter.lift([column, row], picture_gradient);
                }
                std::mem::take(&mut lifter.shares)
            },
        )
        .collect();
    add_up(plan, strokes, &bands)
}

/// Adds up the shares of all tiles, and takes those of chords on to control points.
fn add_up(plan: &Plan, strokes: &Strokes, bands: &[Shares]) -> StrokeGradient {
    let mut gradient = StrokeGradient::zeros_for(strokes);
    let mut chord_gradients = vec![[0.0_f32; 4]; plan.chord_count()];
    for band in bands {
        for (stroke, share) in &band.strokes {
            let stroke = *stroke as usize;
            gradient.half_widths[stroke] += share.half_width;
            for (sum, part) in gradient.colors[stroke].iter_mut().zip(share.color) {
                *sum += part;
            }
        }
        for (chord, share) in &band.chords {
            for (sum, part) in chord_gradients[*chord as usize].iter_mut().zip(share) {
                *sum += part;
            }
        }
    }
    for (origin, share) in plan.origins().zip(&chord_gradients) {
        let range = strokes.point_range(origin.stroke as usize);
        let points = &mut gradient.points[range][origin.first_point as usize..];
        for (index, point) in points.iter_mut().take(4).enumerate() {
            let (start, end) = (origin.start[index], origin.end[index]);
            point[0] += start * share[0] + end * share[2];
            point[1] += start * share[1] + end * share[3];
        }
    }
    gradient
}

/// One stroke on a tile, as it was laid.
#[derive(Debug, Clone)]
struct Layer {
    below: TileColor,
    is_solid: bool,
    outline: Outline,
    traced: Traced,
}

/// Paints tiles and lifts their layers again.
#[derive(Debug)]
struct Lifter<'a> {
    plan: &'a Plan,
    strokes: &'a Strokes,
    background: [f32; 3],
    level: Level,
    layers: Vec<Layer>,
    shares: Shares,
}

impl<'a> Lifter<'a> {
    fn new(plan: &'a Plan, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            plan,
            strokes,
            background: canvas.background.channels(),
            level: Level::new(),
            layers: Vec::new(),
            shares: Shares::default(),
        }
    }

    /// Adds what the strokes on a tile get to the shares.
    fn lift(&mut self, tile: [usize; 2], picture_gradient: &Picture) {
        let entries = visible(
            self.plan,
            self.strokes,
            tile[1] * self.plan.tiles[0] + tile[0],
        );
        if entries.is_empty() {
            return;
        }
        self.lay_all(entries, tile.map(|place| (place * TILE) as f32));
        let mut light = cut_out(picture_gradient, tile);
        for (entry, layer) in entries.iter().zip(&self.layers).rev() {
            let color = self.strokes.colors[entry.stroke as usize];
            let first = self.shares.chords.len();
            self.shares
                .chords
                .extend(self.plan.places(entry).map(|place| (place, [0.0; 4])));
            let chords = &mut self.shares.chords[first..];
            let share =
                dispatch!(self.level, simd => lift_layer(simd, layer, color, &mut light, chords));
            self.shares.strokes.push((entry.stroke, share));
        }
    }

    /// Paints a tile and keeps every layer.
    fn lay_all(&mut self, entries: &[Entry], corner: [f32; 2]) {
        let mut colors = self.background.map(|channel| [[channel; TILE]; TILE]);
        while self.layers.len() < entries.len() {
            self.layers.push(Layer::nothing());
        }
        for (entry, layer) in entries.iter().zip(&mut self.layers) {
            let color = self.strokes.colors[entry.stroke as usize];
            layer.below = colors;
            let Layer {
                outline, traced, ..
            } = layer;
            layer.is_solid = entry.is_solid();
            if entry.is_solid() {
                dispatch!(self.level, simd => lay(simd, &mut colors, &SOLID, 0..TILE, color));
            } else {
                let half_width = self.strokes.half_widths[entry.stroke as usize];
                outline.set(self.plan.candidates(entry), half_width, corner);
                dispatch!(self.level, simd => {
                    outline.trace(simd, traced);
                    lay(simd, &mut colors, &traced.coverage, outline.rows(), color);
                });
            }
        }
    }
}

impl Layer {
    fn nothing() -> Self {
        Self {
            below: [ZEROS; 3],
            is_solid: false,
            outline: Outline::nothing(),
            traced: Traced::NOTHING,
        }
    }
}

/// The gradient on the pixels of a tile, zero beyond the edge of the picture.
fn cut_out(picture: &Picture, tile: [usize; 2]) -> TileColor {
    let (width, height) = (picture.width(), picture.height());
    let (left, top) = (tile[0] * TILE, tile[1] * TILE);
    let mut cut = [ZEROS; 3];
    for (channel, plane) in cut.iter_mut().enumerate() {
        for (row, line) in plane.iter_mut().enumerate().take(height - top) {
            let first = (channel * height + top + row) * width + left;
            let count = TILE.min(width - left);
            line[..count].copy_from_slice(&picture.values()[first..first + count]);
        }
    }
    cut
}

/// Lifts the top layer: gives its share to its stroke and to the ends of its chords, and turns the
/// gradient `light` on the layer into the gradient on what lies below.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn lift_layer<S: Simd>(
    simd: S,
    layer: &Layer,
    color: Rgba,
    light: &mut TileColor,
    chords: &mut [(u32, ChordShare)],
) -> StrokeShare {
    let (coverage, rows) = if layer.is_solid {
        (&SOLID, 0..TILE)
    } else {
        (&layer.traced.coverage, layer.outline.rows())
    };
    let opacity = color[3];
    let zero = f32x8::splat(simd, 0.0);
    let mut by_color = [zero; 3];
    let mut by_opacity = zero;
    let mut by_half_width = zero;
    let mut by_coverage = [[0.0; 2 * TILE]; TILE];
    for row in rows {
        let coverage = f32x8::load_array_ref(simd, &coverage[row]);
        let paint = coverage * opacity;
        let rest = f32x8::splat(simd, 1.0) - paint;
        let mut by_paint = zero;
        for channel in 0..3 {
            let below = f32x8::load_array_ref(simd, &layer.below[channel][row]);
            let above = f32x8::load_array_ref(simd, &light[channel][row]);
            by_paint += above * (f32x8::splat(simd, color[channel]) - below);
            by_color[channel] += above * paint;
            (above * rest).store_array(&mut light[channel][row]);
        }
        by_opacity += by_paint * coverage;
        let by_covered = by_paint * opacity;
        by_half_width += by_covered * f32x8::load_array_ref(simd, &layer.traced.widening[row]);
        by_covered
            .combine(by_covered)
            .store_array(&mut by_coverage[row]);
    }
    if !layer.is_solid {
        lift_chords(simd, layer, &by_coverage, chords);
    }
    let [red, green, blue] = by_color.map(total);
    StrokeShare {
        half_width: if layer.is_solid {
            0.0
        } else {
            total(by_half_width)
        },
        color: [red, green, blue, total(by_opacity)],
    }
}

/// Gives every chord its share: for each sample whose nearest point lies on it, the change of that
/// point, split between the chord's ends by where the point lies.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn lift_chords<S: Simd>(
    simd: S,
    layer: &Layer,
    by_coverage: &[Line; TILE],
    chords: &mut [(u32, ChordShare)],
) {
    let zero = f32x16::splat(simd, 0.0);
    let Layer {
        outline, traced, ..
    } = layer;
    for (place, (chord, (_, share))) in outline.chords.iter().zip(chords).enumerate() {
        let mut whole = [zero; 2];
        let mut end = [zero; 2];
        for set in outline.samples.sets() {
            for index in set.lines_near(chord).filter(|index| traced.is_edge[*index]) {
                let line = &traced.lines[index];
                let load = |line: &Line| f32x16::load_array_ref(simd, line);
                let row = outline.samples.row(index);
                let is_this = load(&line.place).simd_eq(place as f32);
                let weight = is_this.select(load(&by_coverage[row]), zero);
                let along = load(&line.along);
                for (axis, slope) in [&line.right, &line.down].into_iter().enumerate() {
                    let part = weight * load(slope);
                    whole[axis] += part;
                    end[axis] += part * along;
                }
            }
        }
        for axis in 0..2 {
            share[axis] = total(by_pixel(whole[axis] - end[axis]));
            share[axis + 2] = total(by_pixel(end[axis]));
        }
    }
}
