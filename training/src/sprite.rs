//! Putting cut-out pictures onto a canvas.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pack::SIDE;
use clipdraw::scene::Picture;

/// Where on the canvas a cut-out picture goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Where its middle goes, as fractions of the canvas.
    pub middle: [f32; 2],
    /// Its size, as a fraction of the canvas.
    pub size: f32,
    /// How far it is turned, in radians, clockwise.
    pub turn: f32,
    /// Its width over its height, beside what it has.
    pub aspect: f32,
    /// Whether left and right change places.
    pub mirrored: bool,
}

impl Placement {
    /// Alone on the canvas: near the middle, most of the canvas large, a little turned.
    pub fn alone(random: &mut ChaCha8Rng) -> Self {
        let mut near = || random.random_range(0.42..0.58);
        Self {
            middle: [near(), near()],
            size: random.random_range(0.6..1.05),
            turn: small_turn(random),
            aspect: random.random_range(0.9..1.1),
            mirrored: random.random(),
        }
    }

    /// In front of a backdrop: smaller, anywhere but at the edge.
    pub fn in_scene(random: &mut ChaCha8Rng) -> Self {
        Self {
            middle: [
                random.random_range(0.35..0.65),
                random.random_range(0.4..0.68),
            ],
            size: random.random_range(0.45..0.8),
            ..Self::alone(random)
        }
    }

    /// Beside another object: the left one of two, or the right one.
    pub fn beside(random: &mut ChaCha8Rng, right: bool) -> Self {
        let across = random.random_range(0.24..0.32);
        Self {
            middle: [
                if right { 1.0 - across } else { across },
                random.random_range(0.4..0.6),
            ],
            size: random.random_range(0.4..0.6),
            ..Self::alone(random)
        }
    }
}

/// Most pictures stand nearly upright.
fn small_turn(random: &mut ChaCha8Rng) -> f32 {
    let [a, b] = [(); 2].map(|()| random.random_range(-1.0..1.0_f32));
    0.3 * a * b
}

/// Lays a picture of a pack, `[SIDE, SIDE, 4]` with colors multiplied by opacity, over the canvas.
/// Says which part of the canvas it covers, 0 to 1.
pub fn lay(canvas: &mut Picture, sprite: &[u8], placement: &Placement) -> f32 {
    let (width, height) = (canvas.width(), canvas.height());
    let plane = width * height;
    let (sine, cosine) = placement.turn.sin_cos();
    let scale = SIDE as f32 / (placement.size * width as f32);
    let flip = if placement.mirrored { -1.0 } else { 1.0 };
    let middle = [
        placement.middle[0] * width as f32,
        placement.middle[1] * height as f32,
    ];
    let values = canvas.values_mut();
    let mut covered = 0.0;
    for row in 0..height {
        for column in 0..width {
            let [x, y] = [
                column as f32 + 0.5 - middle[0],
                row as f32 + 0.5 - middle[1],
            ];
            let across = flip * (cosine * x + sine * y) * scale / placement.aspect;
            let down = (cosine * y - sine * x) * scale;
            let half = SIDE as f32 / 2.0;
            let Some([red, green, blue, opacity]) = sample(sprite, [across + half, down + half])
            else {
                continue;
            };
            covered += opacity;
            for (channel, color) in [red, green, blue].into_iter().enumerate() {
                let value = &mut values[channel * plane + row * width + column];
                *value = color + *value * (1.0 - opacity);
            }
        }
    }
    covered / plane as f32
}

/// The picture between its pixels, transparent outside; `None` where nothing of it is.
fn sample(sprite: &[u8], [x, y]: [f32; 2]) -> Option<[f32; 4]> {
    let side = SIDE as f32;
    if x <= -0.5 || y <= -0.5 || x >= side + 0.5 || y >= side + 0.5 {
        return None;
    }
    let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
    let (across, down) = (x - 0.5 - left, y - 0.5 - top);
    let mut mixed = [0.0; 4];
    for (column, row, share) in [
        (left, top, (1.0 - across) * (1.0 - down)),
        (left + 1.0, top, across * (1.0 - down)),
        (left, top + 1.0, (1.0 - across) * down),
        (left + 1.0, top + 1.0, across * down),
    ] {
        if column >= 0.0 && row >= 0.0 && column < side && row < side {
            let first = (row as usize * SIDE + column as usize) * 4;
            for (sum, &byte) in mixed.iter_mut().zip(&sprite[first..first + 4]) {
                *sum += share * f32::from(byte) / 255.0;
            }
        }
    }
    Some(mixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::PICTURE_BYTES;

    const UPRIGHT: Placement = Placement {
        middle: [0.5, 0.5],
        size: 1.0,
        turn: 0.0,
        aspect: 1.0,
        mirrored: false,
    };

    fn left_half_red() -> Vec<u8> {
        let pixel = |index: usize| {
            if index % SIDE < SIDE / 2 {
                [255, 0, 0, 255]
            } else {
                [0; 4]
            }
        };
        (0..PICTURE_BYTES / 4).flat_map(pixel).collect()
    }

    #[test]
    fn a_picture_lies_where_it_was_put() {
        let mut canvas = Picture::filled(SIDE, SIDE, [1.0; 3]);
        let covered = lay(&mut canvas, &left_half_red(), &UPRIGHT);
        assert!((covered - 0.5).abs() < 0.01);
        assert_eq!(canvas.pixel(10, 40), [1.0, 0.0, 0.0]);
        assert_eq!(canvas.pixel(70, 40), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn mirrored_and_turned_pictures_lie_the_other_way() {
        let mut canvas = Picture::filled(SIDE, SIDE, [1.0; 3]);
        let mirrored = Placement {
            mirrored: true,
            ..UPRIGHT
        };
        lay(&mut canvas, &left_half_red(), &mirrored);
        assert_eq!(canvas.pixel(70, 40), [1.0, 0.0, 0.0]);
        let mut canvas = Picture::filled(SIDE, SIDE, [1.0; 3]);
        let turned = Placement {
            turn: std::f32::consts::FRAC_PI_2,
            ..UPRIGHT
        };
        lay(&mut canvas, &left_half_red(), &turned);
        // Clockwise: what was at the left is at the top.
        assert_eq!(canvas.pixel(40, 10), [1.0, 0.0, 0.0]);
        assert_eq!(canvas.pixel(40, 70), [1.0, 1.0, 1.0]);
    }
}
