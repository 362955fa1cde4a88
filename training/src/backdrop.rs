//! Simple backdrops for scenes, with random colors that fit their names.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pack::Backdrop;
use clipdraw::scene::Picture;

type Color = [f32; 3];

/// A backdrop of `side` x `side` pixels.
pub fn backdrop(kind: Backdrop, side: usize, random: &mut ChaCha8Rng) -> Picture {
    let mut sheet = Sheet::new(side, random);
    match kind {
        Backdrop::UnderWater => sheet.under_water(),
        Backdrop::Sea => sheet.sea(),
        Backdrop::Meadow => sheet.meadow(),
        Backdrop::Night => sheet.night(),
        Backdrop::Snow => sheet.snow(),
        Backdrop::Desert => sheet.desert(),
        Backdrop::Space => sheet.space(),
        Backdrop::Sunset => sheet.sunset(),
        Backdrop::Sky => sheet.sky(),
        Backdrop::Forest => sheet.forest(),
    }
    sheet.picture
}

/// A backdrop that is being painted; positions and lengths are fractions of its side.
struct Sheet<'random> {
    picture: Picture,
    random: &'random mut ChaCha8Rng,
}

impl<'random> Sheet<'random> {
    fn new(side: usize, random: &'random mut ChaCha8Rng) -> Self {
        Self {
            picture: Picture::filled(side, side, [1.0; 3]),
            random,
        }
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        self.random.random_range(low..high)
    }

    /// A color near this one.
    fn near(&mut self, color: Color) -> Color {
        color.map(|channel| (channel + self.between(-0.08, 0.08)).clamp(0.0, 1.0))
    }

    /// Paints every pixel whose position `[x, y]` the function gives a color and an opacity for.
    fn paint(&mut self, brush: impl Fn([f32; 2]) -> Option<(Color, f32)>) {
        let side = self.picture.width();
        let values = self.picture.values_mut();
        for index in 0..side * side {
            let position =
                [index % side, index / side].map(|part| (part as f32 + 0.5) / side as f32);
            if let Some((color, opacity)) = brush(position) {
                for (channel, color) in color.into_iter().enumerate() {
                    let value = &mut values[channel * side * side + index];
                    *value += opacity * (color - *value);
                }
            }
        }
    }

    /// One color at the top that turns into another at the bottom, between two heights.
    fn gradient(&mut self, [top, bottom]: [f32; 2], [upper, lower]: [Color; 2]) {
        self.paint(|[_, y]| {
            let part = (y - top) / (bottom - top);
            (0.0..=1.0).contains(&part).then(|| {
                let mixed = [0, 1, 2]
                    .map(|channel| upper[channel] + part * (lower[channel] - upper[channel]));
                (mixed, 1.0)
            })
        });
    }

    fn disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Color, opacity: f32) {
        let edge = 0.5 / self.picture.width() as f32;
        self.paint(|[across, down]| {
            let inside = radius - (across - x).hypot(down - y);
            (inside > -edge).then(|| {
                (
                    color,
                    opacity * ((inside + edge) / (2.0 * edge)).clamp(0.0, 1.0),
                )
            })
        });
    }

    /// Dots anywhere above a height.
    fn dots(&mut self, count: std::ops::Range<usize>, lowest: f32, radius: [f32; 2], color: Color) {
        for _ in 0..self.random.random_range(count) {
            let place = [self.between(0.0, 1.0), self.between(0.0, lowest)];
            let radius = self.between(radius[0], radius[1]);
            let opacity = self.between(0.5, 1.0);
            self.disc(place, radius, color, opacity);
        }
    }

    /// Ground below a wavy line.
    fn hills(&mut self, height: f32, swing: f32, color: Color) {
        let (phase, waves) = (self.between(0.0, TAU), self.between(2.0, 7.0));
        self.paint(|[x, y]| {
            let line = height + swing * (phase + waves * x).sin();
            (y > line).then_some((color, 1.0))
        });
    }

    fn clouds(&mut self, count: std::ops::Range<usize>) {
        for _ in 0..self.random.random_range(count) {
            let [x, y] = [self.between(0.0, 1.0), self.between(0.03, 0.4)];
            for _ in 0..4 {
                let place = [x + self.between(-0.1, 0.1), y + self.between(-0.025, 0.025)];
                let radius = self.between(0.04, 0.08);
                self.disc(place, radius, [0.97, 0.97, 1.0], 0.85);
            }
        }
    }

    fn sky(&mut self) {
        let colors = [self.near([0.35, 0.62, 0.95]), self.near([0.72, 0.87, 1.0])];
        self.gradient([0.0, 1.0], colors);
        self.clouds(1..5);
    }

    fn under_water(&mut self) {
        let colors = [self.near([0.25, 0.6, 0.85]), self.near([0.03, 0.2, 0.5])];
        self.gradient([0.0, 1.0], colors);
        for _ in 0..self.random.random_range(0..4) {
            let (left, lean, width) = (
                self.between(-0.2, 1.0),
                self.between(-0.3, 0.3),
                self.between(0.04, 0.12),
            );
            self.paint(|[x, y]| {
                let across = x - left - lean * y;
                ((0.0..width).contains(&across) && y < 0.7).then_some(([0.7, 0.9, 1.0], 0.18))
            });
        }
        self.dots(3..14, 0.9, [0.008, 0.03], [0.8, 0.93, 1.0]);
        if self.random.random() {
            let sand = self.near([0.8, 0.72, 0.5]);
            self.hills(0.9, 0.02, sand);
        }
    }

    fn sea(&mut self) {
        self.sky();
        let height = self.between(0.5, 0.72);
        for wave in 0..4 {
            let depth = wave as f32 / 4.0;
            let color = self.near([0.15 - 0.1 * depth, 0.5 - 0.2 * depth, 0.8 - 0.2 * depth]);
            let swing = self.between(0.008, 0.025);
            self.hills(height + depth * (1.0 - height), swing, color);
        }
    }

    fn meadow(&mut self) {
        self.sky();
        let (far, near) = (self.near([0.45, 0.72, 0.3]), self.near([0.3, 0.6, 0.2]));
        let height = self.between(0.55, 0.75);
        self.hills(height, 0.04, far);
        self.hills(height + 0.12, 0.03, near);
    }

    fn night(&mut self) {
        let colors = [self.near([0.03, 0.04, 0.18]), self.near([0.12, 0.14, 0.36])];
        self.gradient([0.0, 1.0], colors);
        self.dots(12..40, 0.8, [0.004, 0.012], [1.0, 1.0, 0.85]);
        if self.random.random() {
            let place = [self.between(0.1, 0.9), self.between(0.1, 0.25)];
            let radius = self.between(0.05, 0.1);
            self.disc(place, radius, [0.98, 0.96, 0.8], 1.0);
            if self.random.random() {
                let sky = [0.06, 0.07, 0.22];
                self.disc(
                    [place[0] + 0.5 * radius, place[1] - 0.2 * radius],
                    radius,
                    sky,
                    1.0,
                );
            }
        }
        let ground = self.near([0.06, 0.1, 0.1]);
        self.hills(0.85, 0.03, ground);
    }

    fn snow(&mut self) {
        let colors = [self.near([0.62, 0.72, 0.85]), self.near([0.85, 0.9, 0.96])];
        self.gradient([0.0, 1.0], colors);
        let height = self.between(0.6, 0.8);
        self.hills(height, 0.03, [0.97, 0.98, 1.0]);
        self.dots(15..50, 1.0, [0.008, 0.02], [1.0, 1.0, 1.0]);
    }

    fn desert(&mut self) {
        let colors = [self.near([0.5, 0.75, 0.95]), self.near([0.98, 0.9, 0.7])];
        self.gradient([0.0, 1.0], colors);
        if self.random.random() {
            let place = [self.between(0.1, 0.9), self.between(0.08, 0.2)];
            self.disc(place, 0.07, [1.0, 0.9, 0.4], 1.0);
        }
        let (far, near) = (self.near([0.93, 0.78, 0.48]), self.near([0.87, 0.68, 0.38]));
        let height = self.between(0.55, 0.75);
        self.hills(height, 0.05, far);
        self.hills(height + 0.13, 0.04, near);
    }

    fn space(&mut self) {
        let color = self.near([0.04, 0.03, 0.1]);
        self.gradient([0.0, 1.0], [color, color]);
        self.dots(20..60, 1.0, [0.004, 0.012], [1.0, 1.0, 1.0]);
        if self.random.random() {
            let place = [self.between(0.0, 1.0), self.between(0.0, 1.0)];
            let (radius, color) = (self.between(0.05, 0.14), self.near([0.7, 0.45, 0.35]));
            self.disc(place, radius, color, 1.0);
        }
    }

    fn sunset(&mut self) {
        let (top, bottom) = (self.near([0.45, 0.25, 0.5]), self.near([1.0, 0.6, 0.25]));
        let horizon = self.between(0.6, 0.75);
        self.gradient([0.0, horizon], [top, bottom]);
        let place = [self.between(0.15, 0.85), horizon - self.between(0.0, 0.1)];
        let radius = self.between(0.07, 0.12);
        self.disc(place, radius, [1.0, 0.85, 0.4], 1.0);
        let ground = if self.random.random() {
            self.near([0.35, 0.2, 0.35])
        } else {
            self.near([0.75, 0.4, 0.3])
        };
        self.hills(horizon, 0.008, ground);
    }

    fn forest(&mut self) {
        let colors = [self.near([0.55, 0.75, 0.55]), self.near([0.25, 0.45, 0.2])];
        self.gradient([0.0, 1.0], colors);
        for _ in 0..self.random.random_range(4..9) {
            let (x, width) = (self.between(0.0, 1.0), self.between(0.02, 0.06));
            let (bark, leaves) = (self.near([0.38, 0.26, 0.16]), self.near([0.16, 0.42, 0.14]));
            self.paint(|[across, down]| {
                ((across - x).abs() < width / 2.0 && down < 0.85).then_some((bark, 1.0))
            });
            for _ in 0..3 {
                let place = [x + self.between(-0.1, 0.1), self.between(0.0, 0.25)];
                let radius = self.between(0.07, 0.14);
                self.disc(place, radius, leaves, 0.9);
            }
        }
        let ground = self.near([0.28, 0.4, 0.15]);
        self.hills(0.82, 0.02, ground);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn mean(picture: &Picture) -> Color {
        let plane = picture.width() * picture.height();
        [0, 1, 2].map(|channel| {
            let values = &picture.values()[channel * plane..(channel + 1) * plane];
            values.iter().sum::<f32>() / plane as f32
        })
    }

    #[test]
    fn backdrops_have_the_colors_of_their_names() {
        for seed in 0..20 {
            let of = |kind| mean(&backdrop(kind, 40, &mut ChaCha8Rng::seed_from_u64(seed)));
            let [red, green, blue] = of(Backdrop::UnderWater);
            assert!(blue > green && green > red, "water {red} {green} {blue}");
            assert!(of(Backdrop::Space).iter().all(|channel| *channel < 0.35));
            assert!(of(Backdrop::Snow).iter().all(|channel| *channel > 0.6));
            let [red, green, _] = of(Backdrop::Forest);
            assert!(green > red);
            let ground = backdrop(Backdrop::Desert, 40, &mut ChaCha8Rng::seed_from_u64(seed));
            let [red, _, blue] = ground.pixel(20, 39);
            assert!(red > blue + 0.2);
        }
    }
}
