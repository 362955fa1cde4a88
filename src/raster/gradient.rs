//! The gradient of a number that depends on a picture, by the strokes that the picture shows.
//!
//! Every tile is painted again, with each layer kept, and then lifted layer by layer from the top.
//! What a layer gives to its stroke goes into a list; the lists of all tiles are added up in the
//! order of the tiles, so the sum does not depend on which thread worked on which tile.

use multiversion::multiversion;
use rayon::prelude::*;

use super::chord::bernstein;
use super::coverage::{Traced, trace};
use super::nearest::{Nearest, Plane, ZEROS};
use super::paint::{TileColor, lay, lay_everywhere, outline, visible};
use super::plan::{Entry, Plan, TILE};
use crate::scene::{Canvas, Picture, Rgba, Strokes};

/// What a tile gives to a stroke.
#[derive(Debug, Clone, Copy)]
struct StrokeShare {
    stroke: u32,
    half_width: f32,
    color: Rgba,
}

/// What a tile gives to the ends of a chord: start right, start down, end right, end down.
type ChordShare = [f32; 4];

/// What a row of tiles gives, in the order of its tiles and from the top layer down.
#[derive(Debug, Default)]
struct Shares {
    strokes: Vec<StrokeShare>,
    /// The chord, counted over all strokes.
    chords: Vec<(u32, ChordShare)>,
}

/// The gradient by every number of `strokes`.
pub(super) fn gradient(
    plan: &Plan,
    strokes: &Strokes,
    canvas: &Canvas,
    picture_gradient: &Picture,
) -> Strokes {
    let bands: Vec<Shares> = (0..plan.tiles[1])
        .into_par_iter()
        .map(|row| {
            let mut lifter = Lifter::new(plan, strokes, canvas);
            for column in 0..plan.tiles[0] {
                lifter.lift([column, row], picture_gradient);
            }
            lifter.shares
        })
        .collect();
    add_up(plan, strokes, &bands)
}

fn add_up(plan: &Plan, strokes: &Strokes, bands: &[Shares]) -> Strokes {
    let mut gradient = strokes.zeros_like();
    let mut chord_gradients = vec![[0.0_f32; 4]; plan.chord_count()];
    for band in bands {
        for share in &band.strokes {
            let stroke = share.stroke as usize;
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
    for (stroke, chord, share) in plan
        .chords()
        .zip(&chord_gradients)
        .map(|((s, c), g)| (s, c, g))
    {
        let points =
            &mut gradient.points[strokes.point_range(stroke)][chord.first_point as usize..];
        let (from, to) = (bernstein(chord.from.into()), bernstein(chord.to.into()));
        for index in 0..4 {
            let (from, to) = (from[index] as f32, to[index] as f32);
            points[index][0] += from * share[0] + to * share[2];
            points[index][1] += from * share[1] + to * share[3];
        }
    }
    gradient
}

/// One stroke on a tile, as it was laid.
#[derive(Debug, Clone)]
struct Layer {
    below: TileColor,
    traced: Traced,
}

/// Paints tiles and lifts their layers again.
#[derive(Debug)]
struct Lifter<'a> {
    plan: &'a Plan,
    strokes: &'a Strokes,
    background: [f32; 3],
    nearest: Nearest,
    layers: Vec<Layer>,
    shares: Shares,
}

impl<'a> Lifter<'a> {
    fn new(plan: &'a Plan, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            plan,
            strokes,
            background: canvas.background.channels(),
            nearest: Nearest::NOTHING,
            layers: Vec::new(),
            shares: Shares::default(),
        }
    }

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
            let (chords, candidates) = self.plan.candidates(entry);
            let _ = chords;
            let first = self.shares.chords.len();
            let base = self.plan.first_chord(entry);
            self.shares
                .chords
                .extend(candidates.iter().map(|index| (base + index, [0.0; 4])));
            let mut share = lift_layer(layer, color, &mut light, &mut self.shares.chords[first..]);
            share.stroke = entry.stroke;
            self.shares.strokes.push(share);
        }
    }

    fn lay_all(&mut self, entries: &[Entry], corner: [f32; 2]) {
        let mut colors = self.background.map(|channel| [[channel; TILE]; TILE]);
        while self.layers.len() < entries.len() {
            self.layers.push(Layer::EMPTY);
        }
        for (entry, layer) in entries.iter().zip(&mut self.layers) {
            let color = self.strokes.colors[entry.stroke as usize];
            layer.below = colors;
            if entry.is_solid() {
                layer.traced.rows = 0..TILE;
                layer.traced.coverage = [[1.0; TILE]; TILE];
                layer.traced.sets = 0;
                lay_everywhere(&mut colors, color);
            } else {
                let outline = outline(self.plan, self.strokes, entry, corner);
                trace(&outline, &mut self.nearest, &mut layer.traced);
                for row in layer.traced.rows.clone() {
                    lay(&mut colors, row, &layer.traced.coverage[row], color);
                }
            }
        }
    }
}

impl Layer {
    const EMPTY: Self = Self {
        below: [ZEROS; 3],
        traced: Traced::EMPTY,
    };
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
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2"))]
fn lift_layer(
    layer: &Layer,
    color: Rgba,
    light: &mut TileColor,
    chords: &mut [(u32, ChordShare)],
) -> StrokeShare {
    let traced = &layer.traced;
    let opacity = color[3];
    let mut sums = [[0.0; TILE]; 4];
    let mut by_coverage = ZEROS;
    for row in traced.rows.clone() {
        let coverage = &traced.coverage[row];
        let mut by_paint = [0.0; TILE];
        for channel in 0..3 {
            let below = &layer.below[channel][row];
            let light = &mut light[channel][row];
            for column in 0..TILE {
                let paint = coverage[column] * opacity;
                by_paint[column] += light[column] * (color[channel] - below[column]);
                sums[channel][column] += light[column] * paint;
                light[column] *= 1.0 - paint;
            }
        }
        for column in 0..TILE {
            sums[3][column] += by_paint[column] * coverage[column];
            by_coverage[row][column] = by_paint[column] * opacity;
        }
    }
    let mut widening = [0.0; TILE];
    for slopes in &traced.slopes[..traced.sets] {
        for row in traced.rows.clone() {
            for column in 0..TILE {
                widening[column] += by_coverage[row][column] * slopes.widening[row][column];
            }
        }
        for (place, (_, share)) in chords.iter_mut().enumerate() {
            let mut parts = [[0.0; TILE]; 4];
            for row in traced.rows.clone() {
                for column in 0..TILE {
                    let is_this = slopes.chord[row][column] == place as u32;
                    let weight = if is_this {
                        by_coverage[row][column]
                    } else {
                        0.0
                    };
                    let right = weight * slopes.right[row][column];
                    let down = weight * slopes.down[row][column];
                    let along = slopes.along[row][column];
                    parts[2][column] += right * along;
                    parts[3][column] += down * along;
                    parts[0][column] += right - right * along;
                    parts[1][column] += down - down * along;
                }
            }
            for (sum, part) in share.iter_mut().zip(parts) {
                *sum += total(part);
            }
        }
    }
    StrokeShare {
        stroke: 0,
        half_width: total(widening),
        color: sums.map(total),
    }
}

/// The sum of a row, in the same order on every machine.
#[inline(always)]
fn total(row: [f32; TILE]) -> f32 {
    let [a, b, c, d, e, f, g, h] = row;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
