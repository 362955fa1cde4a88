//! The backward pass: the gradient of a loss with respect to the strokes, from its gradient with
//! respect to the picture. It is the chain rule written out, in the reverse order of painting:
//!
//! ```text
//!   picture <- over <- coverage <- distance <- nearest point <- ends of a chord <- control points
//!               |         |                                        (joints)
//!        color, opacity   half width
//! ```
//!
//! Every tile is painted again with each layer kept, and the gradient then goes through the layers
//! from the top. Keeping the layers of all tiles from the forward pass would need memory for every
//! stroke in every tile, and painting a tile again is cheap.
//!
//! A stroke lies on many tiles, so its gradient is a sum over them, and a sum of floats depends on
//! its order. No thread adds to a shared number. The contributions of a tile are collected in a
//! list, and the lists are added up in the order of the tiles, regardless of which thread made
//! them.

use std::ops::Range;

use fearless_simd::{Select, Simd, SimdBase, SimdCombine, SimdMask, dispatch, f32x8, f32x16};
use rayon::prelude::*;

use super::coverage::{CoverageTape, Outline};
use super::forward::{SOLID, Scratch, TileColor, TilePainter, TileStrokes};
use super::lanes::{Line, Plane, TILE, ZEROS, by_pixel, total};
use super::nearest::Projector;
use super::picture_gradient::PictureGradient;
use super::tile_bins::TileBins;
use crate::scene::{Canvas, Rgba, StrokeGradient, Strokes};

/// What a tile adds to the gradient of a stroke.
#[derive(Debug, Clone, Copy)]
struct StrokeGradientPart {
    half_width: f32,
    color: Rgba,
}

/// What a tile adds to the gradient of the ends of a chord: start x, start y, end x, end y.
type ChordGradient = [f32; 4];

/// What a row of tiles adds, in the order of its tiles, and in each from the top layer down.
#[derive(Debug, Default)]
struct GradientParts {
    strokes: Vec<(u32, StrokeGradientPart)>,
    /// Each with the chord's id.
    chords: Vec<(u32, ChordGradient)>,
}

/// The gradient of a loss with respect to every number of `strokes`, from its gradient with respect to the picture.
pub(super) fn backward(
    bins: &TileBins,
    strokes: &Strokes,
    canvas: &Canvas,
    picture_gradient: PictureGradient<'_>,
) -> StrokeGradient {
    let bands: Vec<GradientParts> = (0..bins.tiles[1])
        .into_par_iter()
        .map_init(
            || Backward::new(TilePainter::new(bins, strokes, canvas)),
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

/// Adds up the parts of all tiles in their order, and takes those of chords on to control points:
/// the ends of a chord are weighted sums of control points, so this is the transpose of that map.
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

/// One stroke on a tile, with what its backward pass needs.
#[derive(Debug, Clone)]
struct Layer {
    /// The tile before the stroke was composited.
    below: TileColor,
    is_solid: bool,
    outline: Outline,
    tape: CoverageTape,
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

    /// The coverage of the pixels, and the rows where it is not 0.
    fn coverage(&self) -> (&Plane, Range<usize>) {
        if self.is_solid {
            (&SOLID, 0..TILE)
        } else {
            (&self.tape.coverage, self.outline.rows())
        }
    }
}

/// Paints tiles again and takes the gradient back through their layers.
#[derive(Debug)]
struct Backward<'a> {
    painter: TilePainter<'a>,
    /// The layers of a tile, the lowest first; kept from tile to tile for their memory.
    layers: Vec<Layer>,
    scratch: Scratch,
    parts: GradientParts,
}

impl<'a> Backward<'a> {
    fn new(painter: TilePainter<'a>) -> Self {
        Self {
            painter,
            layers: Vec::new(),
            scratch: Scratch::new(),
            parts: GradientParts::default(),
        }
    }

    /// Appends the gradient of the strokes on the tile in a column and a row.
    fn tile(&mut self, tile: [usize; 2], picture_gradient: PictureGradient<'_>) {
        let painter = self.painter;
        let strokes = painter.split(tile);
        if strokes.visible.is_empty() {
            return;
        }
        self.forward_layers(strokes, tile);
        let mut output_gradient = picture_gradient.tile(tile);
        for (stroke, layer) in strokes.visible.iter().zip(&mut self.layers).rev() {
            let color = painter.color(stroke);
            let parts = &mut self.parts;
            dispatch!(painter.level, simd => {
                let (part, grad_coverages) = backward_layer(simd, layer, color, &mut output_gradient);
                parts.strokes.push((stroke.stroke, part));
                if !layer.is_solid {
                    let ids = painter.bins.chord_ids(stroke);
                    backward_chords(simd, layer, &grad_coverages, ids, &mut parts.chords);
                }
            });
        }
    }

    /// Paints a tile and keeps every visible layer.
    fn forward_layers(&mut self, strokes: TileStrokes<'_>, tile: [usize; 2]) {
        let painter = self.painter;
        let mut colors = painter.background();
        painter.paint(strokes.hidden, tile, &mut self.scratch, &mut colors);
        while self.layers.len() < strokes.visible.len() {
            self.layers.push(Layer::nothing());
        }
        for (stroke, layer) in strokes.visible.iter().zip(&mut self.layers) {
            layer.below = colors;
            layer.is_solid = stroke.is_solid();
            // A stroke without opacity is not skipped here: the gradient of its opacity is not 0.
            if !layer.is_solid {
                painter.set_outline(&mut layer.outline, stroke, tile);
                let Layer { outline, tape, .. } = layer;
                dispatch!(painter.level, simd => outline.cover_with_tape(simd, tape));
            }
            let (coverage, rows) = layer.coverage();
            painter.composite(&mut colors, coverage, rows, painter.color(stroke));
        }
    }
}

/// Propagates the gradient back through the top layer: returns the gradient of its stroke and that of the coverage of the
/// pixels, and turns the gradient with respect to the layer's output into the one with respect to what lies below.
///
/// The gradient of the coverage is there twice in each row, as both samples of a pixel in a line have it.
///
/// With `g` the gradient with respect to a pixel's output, `paint = coverage opacity`, and the forward pass
/// `output = below (1 - paint) + paint color`:
///
/// ```text
///   grad_color      += g paint                      summed over the pixels
///   grad_paint       = sum over channels of g (color - below)
///   grad_opacity    += grad_paint coverage          summed over the pixels
///   grad_coverage    = grad_paint opacity
///   grad_half_width += grad_coverage (d coverage / d half_width)
///   g below          = g (1 - paint)
/// ```
///
/// `below` is kept from painting: dividing the output by `1 - paint` instead would fail for an
/// opaque stroke.
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
) -> (StrokeGradientPart, [Line; TILE]) {
    let (coverage, rows) = layer.coverage();
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
            let g = f32x8::load_array_ref(simd, &output_gradient[channel][row]);
            grad_paint += g * (f32x8::splat(simd, color[channel]) - below);
            grad_color[channel] += g * paint;
            (g * rest).store_array(&mut output_gradient[channel][row]);
        }
        grad_opacity += grad_paint * coverage;
        let grad_coverage = grad_paint * opacity;
        grad_half_width +=
            grad_coverage * f32x8::load_array_ref(simd, &layer.tape.d_half_width[row]);
        grad_coverage
            .combine(grad_coverage)
            .store_array(&mut grad_coverages[row]);
    }
    let [red, green, blue] = grad_color.map(total);
    let part = StrokeGradientPart {
        half_width: if layer.is_solid {
            0.0
        } else {
            total(grad_half_width)
        },
        color: [red, green, blue, total(grad_opacity)],
    };
    (part, grad_coverages)
}

/// Appends the gradient of the ends of every chord that has one, from the samples whose nearest point `N` lies on it.
///
/// ```text
///   S o-----------N-----o E        N = (1 - t) S + t E
///                 |
///                 x sample         d loss / d S = sum of (1 - t) d loss / d N
///                                  d loss / d E = sum of t d loss / d N
/// ```
///
/// `t` depends on the ends as well, but that needs no term: in the interior of the chord `N` minimizes
/// the distance, whose derivative with respect to `t` is 0 there (the envelope theorem), and at an end
/// `t` is clamped. Beyond the ends all of the gradient goes to one end, which is how caps move.
///
/// The nearest points are computed again, which takes less time than to keep them: only a part of the samples is on the
/// outline, and the squared distance tells which chord is the nearest. Where two chords meet in one point, the first one
/// keeps the sample, so that the joint's gradient is counted once.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn backward_chords<S: Simd>(
    simd: S,
    layer: &mut Layer,
    grad_coverages: &[Line; TILE],
    ids: impl Iterator<Item = u32>,
    parts: &mut Vec<(u32, ChordGradient)>,
) {
    let zero = f32x16::splat(simd, 0.0);
    let Layer { outline, tape, .. } = layer;
    let sample_weight = outline.sample_weight();
    for (chord, id) in outline.chords.iter().zip(ids) {
        let mut whole = [zero; 2];
        let mut end = [zero; 2];
        let mut is_nearest_to_any = false;
        for set in outline.samples.sets() {
            let projector = Projector::new(simd, chord, set);
            let mut lines = tape.edge_lines & bits(set.lines_near(chord));
            while lines != 0 {
                let line = lines.trailing_zeros() as usize;
                lines &= lines - 1;
                let nearest = projector.project(line);
                let square = f32x16::load_array_ref(simd, &outline.squares[line]);
                let is_nearest = nearest.square.simd_eq(square);
                if !is_nearest.any_true() {
                    continue;
                }
                is_nearest_to_any = true;
                // No other chord is at this distance.
                is_nearest
                    .select(f32x16::splat(simd, -1.0), square)
                    .store_array(&mut outline.squares[line]);
                let grad_coverage = f32x16::load_array_ref(simd, &grad_coverages[set.row(line)]);
                let weight = is_nearest.select(grad_coverage, zero);
                let pull = f32x16::load_array_ref(simd, &tape.pulls[line]);
                for (axis, offset) in [nearest.dx, nearest.dy].into_iter().enumerate() {
                    let part = weight * (pull * offset * sample_weight);
                    whole[axis] += part;
                    end[axis] += part * nearest.along;
                }
            }
        }
        if is_nearest_to_any {
            let mut gradient = [0.0; 4];
            for axis in 0..2 {
                // The weights of the ends add up to 1, so the start gets the rest.
                gradient[axis] = total(by_pixel(whole[axis] - end[axis]));
                gradient[axis + 2] = total(by_pixel(end[axis]));
            }
            parts.push((id, gradient));
        }
    }
}

/// A bit for each number of a range, which lie below 64.
fn bits(range: Range<usize>) -> u64 {
    let below = |end: usize| u64::MAX.checked_shr(64 - end as u32).unwrap_or(0);
    below(range.end) & !below(range.start)
}
