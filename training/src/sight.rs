//! Changes to how a picture is seen: paper, views, light, colors.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pack::{SIDE, Style};
use clipdraw::render::cpu::warp::ViewBatch;
use clipdraw::render::view::ViewTransform;
use clipdraw::scene::Picture;

/// How often a picture is seen through the random views of the drawing loop, rather than whole.
const DRAWING_VIEWS: f64 = 0.65;

/// Paper, most often white; dark ground would swallow a silhouette.
pub(super) fn ground(style: Style, random: &mut ChaCha8Rng) -> Picture {
    let lightest =
        |random: &mut ChaCha8Rng, low: f32| [(); 3].map(|()| random.random_range(low..1.0));
    let color = match random.random_range(0..100) {
        0..68 => [1.0; 3],
        68..84 => lightest(random, 0.8),
        _ if style == Style::Silhouette => lightest(random, 0.6),
        _ => lightest(random, 0.0),
    };
    Picture::filled(SIDE, SIDE, color)
}

/// A canvas as CLIP sees it, `[3, side, side]`.
pub(super) fn see(canvas: &Picture, side: usize, random: &mut ChaCha8Rng, effort: f64) -> Vec<f32> {
    let view = if random.random_bool(DRAWING_VIEWS * effort) {
        ViewTransform::random(random, SIDE, SIDE)
    } else {
        ViewTransform::whole(SIDE, SIDE)
    };
    ViewBatch::new(canvas, &[view], side).values
}

/// Light, contrast and noise of a bad photograph.
pub(super) fn disturb(view: &mut [f32], side: usize, random: &mut ChaCha8Rng, effort: f64) {
    let plane = side * side;
    if random.random_bool(0.3 * effort) {
        let contrast = random.random_range(0.75..1.15);
        let tint = [(); 3].map(|()| random.random_range(-0.06..0.06));
        for (index, value) in view.iter_mut().enumerate() {
            *value = (*value - 0.5) * contrast + 0.5 + tint[index / plane];
        }
    }
    if random.random_bool(0.5 * effort) {
        let strength = random.random_range(0.0..0.15_f32);
        for value in view.iter_mut() {
            *value += random.random_range(-strength..=strength);
        }
    }
    for value in view {
        *value = value.clamp(0.0, 1.0);
    }
}

/// Moves the channels of a picture on by one place, or by two. Says how far its values moved, in the mean
/// over pixels.
pub(super) fn change_places(canvas: &mut Picture, turned: bool) -> f32 {
    let plane = canvas.width() * canvas.height();
    let values = canvas.values_mut();
    let before = values.to_vec();
    values.rotate_left(if turned { plane } else { 2 * plane });
    let moved = before.iter().zip(values.iter());
    moved.map(|(old, new)| (old - new).abs()).sum::<f32>() / plane as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_colors_are_the_more_false_the_more_color_there_is() {
        let mut red = Picture::filled(4, 4, [1.0, 0.0, 0.0]);
        assert_eq!(change_places(&mut red, true), 2.0);
        assert_eq!(red.pixel(1, 1), [0.0, 0.0, 1.0]);
        let mut grey = Picture::filled(4, 4, [0.3; 3]);
        assert_eq!(change_places(&mut grey, false), 0.0);
        let mut skin = Picture::filled(4, 4, [0.9, 0.8, 0.7]);
        let little = change_places(&mut skin, false);
        assert!(little > 0.3 && little < 0.5, "{little}");
    }
}
