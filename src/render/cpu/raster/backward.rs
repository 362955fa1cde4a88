//! The gradient of a number that depends on a picture, by the strokes that the picture shows.
//!
//! Every tile is painted again, with each layer kept, and then lifted layer by layer from the top.
//! What a layer gives to its stroke goes into a list; the lists of all tiles are added up in the
//! order of the tiles, so the sum does not depend on which thread worked on which tile.

use fearless_simd::{Level, Select, Simd, SimdBase, SimdCombine, dispatch, f32x8, f32x16};
use rayon::prelude::*;

use super::binner::TileStroke;
use super::coverage::{CoverageTape, Outline};
use super::forward::{SOLID, TileColor, composite, visible};
use super::lanes::{Line, TILE, ZEROS, by_pixel, total};
use super::tile_bins::TileBins;
use crate::scene::{Canvas, Picture, Rgba, StrokeGradient, Strokes};

/// What a tile gives to a stroke.
#[derive(Debug, Clone, Copy)]
struct StrokeGradientPart {
    half_width: f32,
    color: Rgba,
}

/// What a tile gives to the ends of a chord: start right, start down, end right, end down.
type ChordGradient = [f32; 4];

/// What a row of tiles gives, in the order of its tiles and from the top layer down.
#[derive(Debug, Default)]
struct GradientParts {
    strokes: Vec<(u32, StrokeGradientPart)>,
    /// The chord, counted over all strokes.
    chords: Vec<(u32, ChordGradient)>,
}

/// The gradient by every number of `strokes`: each is what a change of 1 adds to the loss whose
/// gradient by the picture is `picture_gradient`.
pub(super) fn backward(
    bins: &TileBins,
    strokes: &Strokes,
    canvas: &Canvas,
    picture_gradient: &Picture,
) -> StrokeGradient {
    let bands: Vec<GradientParts> = (0..bins.tiles[1])
        .into_par_iter()
        .map_init(
            || Backward::new(bins, strokes, canvas),
            |backward, row| {
                for column in 0..bins.tiles[0] {
                    backward.tile([column, row], picture_gradient);
                }
                std::mem::take(&mut backward.parts)
            },
        )
        .collect();
    add_up(bins, strokes, &bands)
}

/// Adds up the parts of all tiles, and takes those of chords on to control points.
fn add_up(bins: &TileBins, strokes: &Strokes, bands: &[GradientParts]) -> StrokeGradient {
    let mut gradient = StrokeGradient::zeros_for(strokes);
    let mut chord_gradients = vec![[0.0_f32; 4]; bins.chord_count()];
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
    for (weights, share) in bins.weights().zip(&chord_gradients) {
        let range = strokes.point_range(weights.stroke as usize);
        let points = &mut gradient.points[range][weights.first_point as usize..];
        for (index, point) in points.iter_mut().take(4).enumerate() {
            let (start, end) = (weights.start[index], weights.end[index]);
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
    tape: CoverageTape,
}

/// Paints tiles and lifts their layers again.
#[derive(Debug)]
struct Backward<'a> {
    bins: &'a TileBins,
    strokes: &'a Strokes,
    background: [f32; 3],
    level: Level,
    layers: Vec<Layer>,
    parts: GradientParts,
}

impl<'a> Backward<'a> {
    fn new(bins: &'a TileBins, strokes: &'a Strokes, canvas: &Canvas) -> Self {
        Self {
            bins,
            strokes,
            background: canvas.background.channels(),
            level: Level::new(),
            layers: Vec::new(),
            parts: GradientParts::default(),
        }
    }

    /// Adds what the strokes on a tile get to the parts.
    fn tile(&mut self, tile: [usize; 2], picture_gradient: &Picture) {
        let tile_strokes = visible(
            self.bins,
            self.strokes,
            tile[1] * self.bins.tiles[0] + tile[0],
        );
        if tile_strokes.is_empty() {
            return;
        }
        self.forward_layers(tile_strokes, tile.map(|index| (index * TILE) as f32));
        let mut output_gradient = cut_out(picture_gradient, tile);
        for (tile_stroke, layer) in tile_strokes.iter().zip(&self.layers).rev() {
            let color = self.strokes.colors[tile_stroke.stroke as usize];
            let first = self.parts.chords.len();
            self.parts
                .chords
                .extend(self.bins.chord_ids(tile_stroke).map(|id| (id, [0.0; 4])));
            let chords = &mut self.parts.chords[first..];
            let share = dispatch!(self.level, simd => backward_layer(simd, layer, color, &mut output_gradient, chords));
            self.parts.strokes.push((tile_stroke.stroke, share));
        }
    }

    /// Paints a tile and keeps every layer.
    fn forward_layers(&mut self, tile_strokes: &[TileStroke], corner: [f32; 2]) {
        let mut colors = self.background.map(|channel| [[channel; TILE]; TILE]);
        while self.layers.len() < tile_strokes.len() {
            self.layers.push(Layer::nothing());
        }
        for (tile_stroke, layer) in tile_strokes.iter().zip(&mut self.layers) {
            let color = self.strokes.colors[tile_stroke.stroke as usize];
            layer.below = colors;
            let Layer { outline, tape, .. } = layer;
            layer.is_solid = tile_stroke.is_solid();
            if tile_stroke.is_solid() {
                dispatch!(self.level, simd => composite(simd, &mut colors, &SOLID, 0..TILE, color));
            } else {
                let half_width = self.strokes.half_widths[tile_stroke.stroke as usize];
                outline.set(self.bins.candidates(tile_stroke), half_width, corner);
                dispatch!(self.level, simd => {
                    outline.cover_with_tape(simd, tape);
                    composite(simd, &mut colors, &tape.coverage, outline.rows(), color);
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
            tape: CoverageTape::NOTHING,
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
/// gradient `output_gradient` on the layer into the gradient on what lies below.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn backward_layer<S: Simd>(
    simd: S,
    layer: &Layer,
    color: Rgba,
    output_gradient: &mut TileColor,
    chords: &mut [(u32, ChordGradient)],
) -> StrokeGradientPart {
    let (coverage, rows) = if layer.is_solid {
        (&SOLID, 0..TILE)
    } else {
        (&layer.tape.coverage, layer.outline.rows())
    };
    let opacity = color[3];
    let zero = f32x8::splat(simd, 0.0);
    let mut grad_color = [zero; 3];
    let mut grad_opacity = zero;
    let mut grad_half_width = zero;
    let mut grad_coverages = [[0.0; 2 * TILE]; TILE];
    for row in rows {
        let coverage = f32x8::load_array_ref(simd, &coverage[row]);
        let paint = coverage * opacity;
        let rest = f32x8::splat(simd, 1.0) - paint;
        let mut grad_paint = zero;
        for channel in 0..3 {
            let below = f32x8::load_array_ref(simd, &layer.below[channel][row]);
            let above = f32x8::load_array_ref(simd, &output_gradient[channel][row]);
            grad_paint += above * (f32x8::splat(simd, color[channel]) - below);
            grad_color[channel] += above * paint;
            (above * rest).store_array(&mut output_gradient[channel][row]);
        }
        grad_opacity += grad_paint * coverage;
        let grad_coverage = grad_paint * opacity;
        grad_half_width +=
            grad_coverage * f32x8::load_array_ref(simd, &layer.tape.d_half_width[row]);
        grad_coverage
            .combine(grad_coverage)
            .store_array(&mut grad_coverages[row]);
    }
    if !layer.is_solid {
        backward_chords(simd, layer, &grad_coverages, chords);
    }
    let [red, green, blue] = grad_color.map(total);
    StrokeGradientPart {
        half_width: if layer.is_solid {
            0.0
        } else {
            total(grad_half_width)
        },
        color: [red, green, blue, total(grad_opacity)],
    }
}

/// Gives every chord its share: for each sample whose nearest point lies on it, the change of that
/// point, split between the chord's ends by where the point lies.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn backward_chords<S: Simd>(
    simd: S,
    layer: &Layer,
    grad_coverages: &[Line; TILE],
    chords: &mut [(u32, ChordGradient)],
) {
    let zero = f32x16::splat(simd, 0.0);
    let Layer { outline, tape, .. } = layer;
    for (position, (chord, (_, share))) in outline.chords.iter().zip(chords).enumerate() {
        let mut whole = [zero; 2];
        let mut end = [zero; 2];
        for set in outline.samples.sets() {
            for index in set.lines_near(chord).filter(|index| tape.is_edge[*index]) {
                let line = &tape.lines[index];
                let load = |line: &Line| f32x16::load_array_ref(simd, line);
                let row = outline.samples.row(index);
                let is_nearest = load(&line.chord_index).simd_eq(position as f32);
                let weight = is_nearest.select(load(&grad_coverages[row]), zero);
                let along = load(&line.along);
                for (axis, derivative) in [&line.dx, &line.dy].into_iter().enumerate() {
                    let part = weight * load(derivative);
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
