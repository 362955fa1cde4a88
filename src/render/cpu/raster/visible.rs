//! Which strokes can be seen.

use fearless_simd::dispatch;

use super::binner::TileStroke;
use super::coverage::Outline;
use super::forward::{SOLID, TilePainter};
use super::lanes::{Plane, TILE, ZEROS};
use super::tile_bins::TileBins;
use crate::scene::{Canvas, Strokes};

/// For each stroke whether it is needed: without the others, no value of the picture (0 to 1) changes by more than
/// `tolerance`.
///
/// From the top to the bottom, a stroke is left out if its weight in every pixel is within what is left of the tolerance
/// there. The weight, coverage times opacity times what the strokes above let through, is the largest change that it can
/// make, whatever lies below it. As strokes above are those that are kept, the changes of all that are left out add up.
pub(super) fn visible(
    bins: &TileBins,
    strokes: &Strokes,
    canvas: &Canvas,
    tolerance: f32,
) -> Vec<bool> {
    let painter = TilePainter::new(bins, strokes, canvas);
    let mut tiles: Vec<Tile> = (0..bins.tiles[0] * bins.tiles[1])
        .map(|index| {
            let place = [index % bins.tiles[0], index / bins.tiles[0]];
            Tile::new(place, canvas, tolerance)
        })
        .collect();
    let mut outline = Outline::nothing();
    let mut is_visible = vec![false; strokes.len()];
    for (stroke, places) in by_stroke(bins, strokes.len()).into_iter().enumerate().rev() {
        let weights: Vec<Plane> = places
            .iter()
            .map(|(tile, place)| tiles[*tile].weights(&painter, place, &mut outline))
            .collect();
        let mut with_weights = places.iter().zip(&weights);
        is_visible[stroke] =
            !with_weights.all(|((tile, _), weights)| tiles[*tile].can_lose(weights));
        for ((tile, _), weights) in places.iter().zip(&weights) {
            let tile = &mut tiles[*tile];
            let target = if is_visible[stroke] {
                &mut tile.transmittance
            } else {
                &mut tile.tolerance
            };
            for (value, weight) in target
                .as_flattened_mut()
                .iter_mut()
                .zip(weights.as_flattened())
            {
                *value -= weight;
            }
        }
    }
    is_visible
}

/// The tiles of each stroke.
fn by_stroke(bins: &TileBins, strokes: usize) -> Vec<Vec<(usize, TileStroke)>> {
    let mut places = vec![Vec::new(); strokes];
    for tile in 0..bins.tiles[0] * bins.tiles[1] {
        for stroke in bins.strokes_on(tile) {
            places[stroke.stroke as usize].push((tile, *stroke));
        }
    }
    places
}

/// A tile below the strokes that were looked at.
#[derive(Debug)]
struct Tile {
    place: [usize; 2],
    /// What those that are kept let through; 0 outside of the canvas.
    transmittance: Plane,
    /// How much may still change.
    tolerance: Plane,
}

impl Tile {
    fn new(place: [usize; 2], canvas: &Canvas, tolerance: f32) -> Self {
        let [columns, rows] = [(0, canvas.width), (1, canvas.height)]
            .map(|(axis, side)| side as usize - place[axis] * TILE);
        let mut transmittance = ZEROS;
        for row in transmittance.iter_mut().take(rows) {
            row[..columns.min(TILE)].fill(1.0);
        }
        Self {
            place,
            transmittance,
            tolerance: [[tolerance; TILE]; TILE],
        }
    }

    /// The part of each pixel that has the color of a stroke.
    fn weights(
        &self,
        painter: &TilePainter<'_>,
        stroke: &TileStroke,
        outline: &mut Outline,
    ) -> Plane {
        let opacity = painter.color(stroke)[3];
        let mut coverage = ZEROS;
        let rows = if stroke.is_solid() {
            coverage = SOLID;
            0..TILE
        } else {
            painter.set_outline(outline, stroke, self.place);
            dispatch!(painter.level, simd => outline.cover(simd, &mut coverage));
            outline.rows()
        };
        let mut weights = ZEROS;
        for row in rows {
            for column in 0..TILE {
                weights[row][column] =
                    coverage[row][column] * opacity * self.transmittance[row][column];
            }
        }
        weights
    }

    fn can_lose(&self, weights: &Plane) -> bool {
        let pixels = weights
            .as_flattened()
            .iter()
            .zip(self.tolerance.as_flattened());
        pixels
            .into_iter()
            .all(|(weight, tolerance)| weight <= tolerance)
    }
}
