//! Tiles and the chords that matter to them.

use super::super::coverage::FARTHEST_SIGHT;
use super::super::lanes::TILE;
use super::super::plan::Plan;
use crate::scene::{Canvas, Strokes, start};

fn distance<'a>(
    chords: impl Iterator<Item = &'a super::super::chord::Chord>,
    place: [f64; 2],
) -> f64 {
    let distances = chords.map(|chord| {
        let [start, end] = chord.ends();
        let reach = [end[0] - start[0], end[1] - start[1]];
        let way = [place[0] - start[0], place[1] - start[1]];
        let square = (reach[0] * reach[0] + reach[1] * reach[1]).max(1e-30);
        let along = ((way[0] * reach[0] + way[1] * reach[1]) / square).clamp(0.0, 1.0);
        (way[0] - along * reach[0]).hypot(way[1] - along * reach[1])
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
        let plan = Plan::new(&alone, &canvas);
        for tile in 0..plan.tiles[0] * plan.tiles[1] {
            let entry = plan.entries(tile).first();
            for sample in 0..64 {
                let corner = [tile % plan.tiles[0] * TILE, tile / plan.tiles[0] * TILE];
                let place =
                    [corner[0] + sample % 8, corner[1] + sample / 8].map(|p| p as f64 + 0.3);
                let truth = distance(plan.chords(), place) - f64::from(half_width);
                let sight = f64::from(FARTHEST_SIGHT);
                match entry {
                    None => assert!(truth > sight, "stroke {stroke} is missing at {place:?}"),
                    Some(entry) if entry.is_solid() => {
                        assert!(truth < -sight, "stroke {stroke} does not cover {place:?}");
                    }
                    Some(entry) if truth < sight => {
                        let found = distance(plan.candidates(entry), place) - f64::from(half_width);
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
    let plan = Plan::new(&strokes(40.0), &canvas);
    for tile in 0..plan.tiles[0] * plan.tiles[1] {
        let entries = plan.entries(tile);
        assert!(
            entries
                .windows(2)
                .all(|pair| pair[0].stroke < pair[1].stroke),
            "tile {tile}"
        );
    }
}
