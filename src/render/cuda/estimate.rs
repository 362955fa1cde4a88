//! How much memory a scene needs.

use super::layout::SIZES;
use super::room::Room;
use super::source::{STROKE_STRIDE, TILE};
use crate::render::view::Pooling;
use crate::scene::Canvas;

/// Source pixels that a pixel of a view spans, for each that it spans without the random perspective.
const PERSPECTIVE: usize = 2;

/// The most samples of a pixel of a view along an axis.
const MAX_SAMPLES: usize = 16;

/// About how many bytes a scene needs in a run: the arrays that `kernels/batch.cu` lists. Those that only tiles
/// have are too small to count.
pub(super) fn estimate(
    room: Room,
    canvas: &Canvas,
    strokes: usize,
    views: usize,
    side: usize,
) -> u64 {
    const FLOAT: usize = size_of::<f32>();
    let [width, height] = [canvas.width, canvas.height].map(|length| length as usize);
    let pooling = Pooling::new(side, width, height);
    let samples = (PERSPECTIVE * pooling.width().max(pooling.height()))
        .div_ceil(side)
        .clamp(1, MAX_SAMPLES);
    let of_tile_stroke = SIZES.tile_stroke + 3 * TILE * TILE * FLOAT + STROKE_STRIDE * FLOAT;
    let of_stroke =
        room.chords * SIZES.chord + 2 * STROKE_STRIDE * FLOAT + 2 * STROKE_STRIDE * 2 * FLOAT;
    let area = width * height + pooling.pooled_area();
    // A picture, a pooled one and their gradients; views and theirs, with a copy of it.
    let pixels = 2 * 3 * FLOAT * area + 3 * 3 * FLOAT * views * side * side;
    let sources = views * (side * samples).pow(2) * 2 * FLOAT;
    (room.tile_strokes * of_tile_stroke + strokes * of_stroke + pixels + sources) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_with_the_defaults_needs_some_tens_of_megabytes_and_a_large_one_more() {
        let room = Room::default();
        let small = estimate(room, &Canvas::default(), 256, 4, 224);
        assert!((20_000_000..50_000_000).contains(&small), "{small}");
        let large = Canvas {
            width: 1024,
            height: 1024,
            ..Canvas::default()
        };
        assert!(estimate(room, &large, 512, 4, 224) > 3 * small);
    }
}
