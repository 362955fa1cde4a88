//! The palette: a term that is half the mean squared distance of the colours of strokes from the nearest colour of a palette.
//!
//! Adam moves a colour by about its learning rate, however steep a term is, so a growing weight alone would not end on the
//! palette exactly. Instead, the term takes a step of its own after that of Adam: towards the palette by a part of the
//! distance that grows from 0 to 1 (the proximal step of a quadratic term, Parikh & Boyd 2014, "Proximal Algorithms", 2.2
//! and 6.1.1). The distance from the palette is then about the learning rate of colours over that part, so it gets smaller
//! and smaller before the last step closes it.

use super::clusters::{Color, far_apart, move_to_means, nearest, square_distance};
use super::term::Term;
use crate::scene::{Canvas, Rgb, StrokeGradient, Strokes};

/// Until this part of the updates, colours are free.
const START: f64 = 0.3;

/// The colours that strokes end with.
#[derive(Debug, Clone, PartialEq)]
pub enum PaletteSpec {
    /// These, at least one.
    Given(Vec<Rgb>),
    /// As many as this at most, at least 1, which the drawing finds itself: they are the means of groups of the colours that
    /// its strokes have.
    Found(usize),
}

/// The term.
#[derive(Debug, Clone)]
pub(super) struct Palette {
    /// The colours; empty until they are found.
    colors: Vec<Color>,
    /// The maximum number of colours to be found, if they are not given.
    to_find: Option<usize>,
}

impl Palette {
    pub(super) fn new(spec: &PaletteSpec) -> Self {
        match spec {
            PaletteSpec::Given(colors) => Self {
                colors: colors.iter().map(|color| color.channels()).collect(),
                to_find: None,
            },
            PaletteSpec::Found(max) => Self {
                colors: Vec::new(),
                to_find: Some(*max),
            },
        }
    }

    /// The vector that leads from the nearest colour of the palette to a colour.
    fn offset(&self, color: Color) -> Color {
        let near = self.colors[nearest(&self.colors, color)];
        [0, 1, 2].map(|channel| color[channel] - near[channel])
    }

    /// The gradient with respect to the colours of strokes, without opacity.
    fn gradient(&self, strokes: &Strokes) -> Vec<Color> {
        let count = strokes.moving() as f32;
        colors_of(strokes)
            .map(|color| self.offset(color).map(|part| part / count))
            .collect()
    }

    /// Finds colours for those that strokes have now, or improves what was found.
    fn find(&mut self, strokes: &Strokes, max: usize, is_last: bool) {
        let colors: Vec<Color> = colors_of(strokes).collect();
        if self.colors.is_empty() {
            self.colors = far_apart(&colors, max);
        }
        move_to_means(&mut self.colors, &colors);
        if is_last {
            // Files have 8 bits a channel.
            for color in &mut self.colors {
                *color = Rgb::nearest(*color).channels();
            }
        }
    }
}

/// The colours of the strokes that are moved.
fn colors_of(strokes: &Strokes) -> impl Iterator<Item = Color> {
    let colors = strokes.colors[..strokes.moving()].iter();
    colors.map(|[red, green, blue, _]| [*red, *green, *blue])
}

/// The part of the distance from the palette that a step closes.
fn pull(done: f64) -> f32 {
    ((done - START) / (1.0 - START)).max(0.0).powi(3) as f32
}

impl Term for Palette {
    fn name(&self) -> &'static str {
        "palette"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    /// Adds no gradient, because [`Term::after_update`] moves the strokes; 0 before the palette is found.
    fn on_strokes(&self, strokes: &Strokes, _: &Canvas, _: &mut StrokeGradient) -> f64 {
        if self.colors.is_empty() {
            return 0.0;
        }
        let distances = colors_of(strokes).map(|color| {
            let near = self.colors[nearest(&self.colors, color)];
            square_distance(near, color)
        });
        0.5 * distances.sum::<f64>() / strokes.moving().max(1) as f64
    }

    fn after_update(&mut self, strokes: &mut Strokes, done: f64) {
        let pull = pull(done);
        if pull == 0.0 {
            return;
        }
        let is_last = pull >= 1.0;
        if let Some(max) = self.to_find {
            self.find(strokes, max, is_last);
        }
        if is_last {
            // The same, without rounding.
            let moving = strokes.moving();
            for [red, green, blue, _] in &mut strokes.colors[..moving] {
                let color = [*red, *green, *blue];
                [*red, *green, *blue] = self.colors[nearest(&self.colors, color)];
            }
            return;
        }
        // The gradient is a mean over strokes, and each of them takes a whole step.
        let rate = pull * strokes.moving() as f32;
        let gradient = self.gradient(strokes);
        for (color, slope) in strokes.colors.iter_mut().zip(gradient) {
            for (channel, slope) in color.iter_mut().zip(slope) {
                *channel -= rate * slope;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::start::random_strokes;

    fn given() -> Palette {
        let colors = ["#ff0000", "#00ff80", "#123456"];
        let colors = colors.map(|color| color.parse().unwrap());
        Palette::new(&PaletteSpec::Given(colors.to_vec()))
    }

    fn value(palette: &Palette, strokes: &Strokes) -> f64 {
        let mut gradient = StrokeGradient::zeros_for(strokes);
        let value = palette.on_strokes(strokes, &Canvas::default(), &mut gradient);
        assert_eq!(gradient, StrokeGradient::zeros_for(strokes));
        value
    }

    #[test]
    fn the_gradient_matches_central_differences() {
        const CHANGE: f32 = 1e-3;
        let strokes = random_strokes(&Canvas::default(), 20, 5);
        let palette = given();
        for (stroke, slopes) in palette.gradient(&strokes).into_iter().enumerate() {
            for (channel, found) in slopes.into_iter().enumerate() {
                let [above, below] = [CHANGE, -CHANGE].map(|change| {
                    let mut moved = strokes.clone();
                    moved.colors[stroke][channel] += change;
                    value(&palette, &moved)
                });
                let expected = (above - below) / (2.0 * f64::from(CHANGE));
                assert!(
                    (f64::from(found) - expected).abs() < 1e-5,
                    "{stroke} {channel}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn colours_come_nearer_and_end_exactly_on_the_palette() {
        let mut strokes = random_strokes(&Canvas::default(), 50, 1);
        let before = strokes.clone();
        let mut palette = given();
        let mut last = value(&palette, &strokes);
        for step in 1..=100 {
            palette.after_update(&mut strokes, f64::from(step) / 100.0);
            let now = value(&palette, &strokes);
            assert!(now <= last, "{step}: {now} after {last}");
            assert_eq!(step <= 30, strokes == before, "{step}");
            last = now;
        }
        assert_eq!(last, 0.0);
        for (color, before) in strokes.colors.iter().zip(&before.colors) {
            let [red, green, blue, opacity] = *color;
            assert!(palette.colors.contains(&[red, green, blue]));
            assert_eq!(opacity, before[3]);
        }
    }

    #[test]
    fn a_palette_that_is_found_has_at_most_that_many_colours_of_8_bits() {
        for (max, expected) in [(1, 1), (5, 5), (255, 40)] {
            let mut strokes = random_strokes(&Canvas::default(), 40, 2);
            let mut palette = Palette::new(&PaletteSpec::Found(max));
            assert_eq!(value(&palette, &strokes), 0.0);
            for step in 1..=20 {
                palette.after_update(&mut strokes, f64::from(step) / 20.0);
            }
            let mut colors: Vec<_> = colors_of(&strokes)
                .map(|color| Rgb::nearest(color).to_string())
                .collect();
            colors.sort();
            colors.dedup();
            assert_eq!(colors.len(), expected);
            assert!(
                colors_of(&strokes).all(|color| Rgb::nearest(color).channels() == color),
                "{max}"
            );
        }
    }
}
