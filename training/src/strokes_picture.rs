//! Paints strokes as a picture of a pack, with the program's rasterizer and a transparent
//! background.

use super::pack::{PICTURE_BYTES, SIDE};
use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Rgb, Strokes};

const BLACK: Rgb = Rgb {
    red: 0,
    green: 0,
    blue: 0,
};

/// A canvas of the size of a picture.
pub fn canvas(background: Rgb) -> Canvas {
    Canvas {
        width: SIDE as u32,
        height: SIDE as u32,
        background,
        ..Canvas::default()
    }
}

/// Paints strokes and finds out how much of the ground shows: whatever is white on a white ground and black
/// on a black one is ground.
pub fn transparent(strokes: &Strokes) -> Vec<u8> {
    let [on_white, on_black] = [Rgb::WHITE, BLACK]
        .map(|background| raster::paint(strokes, &canvas(background)).into_picture());
    let mut bytes = Vec::with_capacity(PICTURE_BYTES);
    for (x, y) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))) {
        let (white, black) = (on_white.pixel(x, y), on_black.pixel(x, y));
        let ground = (0..3)
            .map(|channel| white[channel] - black[channel])
            .sum::<f32>()
            / 3.0;
        let opacity = byte(1.0 - ground);
        bytes.extend(black.map(|channel| byte(channel).min(opacity)));
        bytes.push(opacity);
    }
    bytes
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_keeps_its_color_and_opacity_and_the_ground_stays_clear() {
        let mut strokes = Strokes::new();
        let line = [10.0, 30.0, 50.0, 70.0].map(|x| [x, 40.0]);
        strokes.push(&line, 5.0, [1.0, 0.5, 0.0, 0.6]);
        let picture = transparent(&strokes);
        let pixel = |x: usize, y: usize| &picture[(y * SIDE + x) * 4..][..4];
        assert_eq!(pixel(40, 40), [153, 77, 0, 153]);
        assert_eq!(pixel(40, 20), [0; 4]);
    }
}
