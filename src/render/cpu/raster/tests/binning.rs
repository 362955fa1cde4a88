//! Tiles and the chords that can be nearest to their samples.

use super::super::coverage::MAX_WINDOW_RADIUS;
use super::super::lanes::TILE;
use super::super::tile_bins::TileBins;
use crate::scene::{Canvas, Strokes, start};

fn distance<'a>(
    chords: impl Iterator<Item = &'a super::super::chord::Chord>,
    place: [f64; 2],
) -> f64 {
    let distances = chords.map(|chord| {
        let [start, end] = chord.ends();
        let vector = [end[0] - start[0], end[1] - start[1]];
        let offset = [place[0] - start[0], place[1] - start[1]];
        let square = (vector[0] * vector[0] + vector[1] * vector[1]).max(1e-30);
        let along = ((offset[0] * vector[0] + offset[1] * vector[1]) / square).clamp(0.0, 1.0);
        (offset[0] - along * vector[0]).hypot(offset[1] - along * vector[1])
    });
    distances.fold(f64::INFINITY, f64::min)
}

/// Random strokes, stretched, of half widths up to `widest`.
fn strokes(widest: f32) -> Strokes {
    let mut strokes = start::random_strokes(&Canvas::default(), 24, 5);
    for stroke in 0..strokes.len() {
        strokes.half_widths[stroke] = 0.3 + widest * (stroke as f32 * 0.618_034).fract();
        let range = strokes.point_range(stroke);
        let first = strokes.points[range.start];
        for point in &mut strokes.points[range] {
            *point = [0, 1].map(|axis| first[axis] + 2.5 * (point[axis] - first[axis]));
        }
    }
    strokes
}

#[test]
fn every_tile_has_the_chords_that_are_nearest_to_its_samples() {
    let canvas = Canvas::default();
    let strokes = strokes(24.0);
    for stroke in 0..strokes.len() {
        let mut alone = Strokes::new();
        let half_width = strokes.half_widths[stroke];
        alone.push(strokes.points_of(stroke), half_width, [0.0, 0.0, 0.0, 1.0]);
        let bins = TileBins::new(&alone, &canvas);
        for tile in 0..bins.tiles[0] * bins.tiles[1] {
            let tile_stroke = bins.strokes_on(tile).first();
            for sample in 0..64 {
                let corner = [tile % bins.tiles[0] * TILE, tile / bins.tiles[0] * TILE];
                let place =
                    [corner[0] + sample % 8, corner[1] + sample / 8].map(|p| p as f64 + 0.3);
                let truth = distance(bins.chords(), place) - f64::from(half_width);
                let radius = f64::from(MAX_WINDOW_RADIUS);
                match tile_stroke {
                    None => assert!(truth > radius, "stroke {stroke} is missing at {place:?}"),
                    Some(tile_stroke) if tile_stroke.is_solid() => {
                        assert!(truth < -radius, "stroke {stroke} does not cover {place:?}");
                    }
                    Some(tile_stroke) if truth < radius => {
                        let found =
                            distance(bins.candidates(tile_stroke), place) - f64::from(half_width);
                        assert!((found - truth).abs() < 1e-4, "stroke {stroke} at {place:?}");
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

#[test]
fn strokes_on_a_tile_stay_in_painters_order() {
    let canvas = Canvas::default();
    let bins = TileBins::new(&strokes(40.0), &canvas);
    for tile in 0..bins.tiles[0] * bins.tiles[1] {
        let tile_strokes = bins.strokes_on(tile);
        assert!(
            tile_strokes
                .windows(2)
                .all(|pair| pair[0].stroke < pair[1].stroke),
            "tile {tile}"
        );
    }
}
