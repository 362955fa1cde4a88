//! The settings of the optimization that depend on the model and not on the request.

use serde::{Deserialize, Serialize};

use crate::clip::{Clip, ImageConfig};
use crate::optimizer::Rates;
use crate::scene::Canvas;
use crate::scene::start::StartStyle;

/// How strokes start, how fast they move, and the weight of the contrastive loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// The strokes at the start.
    pub start: StartStyle,
    /// Learning rates of control points in pixels of a 224 pixel canvas: pairs of a fraction of the
    /// steps and the rate from there on, the largest fraction first.
    pub point_rates: [(f64, f32); 3],
    /// Learning rate of half widths in pixels of a 224 pixel canvas.
    pub width_rate: f32,
    /// Learning rate of colours.
    pub color_rate: f32,
    /// Whether Adam divides the steps of all colours by the mean of their squared gradients, and not
    /// each by its own. Then a colour that hardly matters hardly changes; Adam alone would drive it to
    /// an extreme as fast as any other.
    pub colors_by_one_measure: bool,
    /// Weight of the contrastive loss against captions of other things; 0 turns it off.
    pub contrast_weight: f64,
}

impl Preset {
    /// The preset of the replaced program (evilstreak/clipdraw, `predict.py`): points at 1.0, from
    /// half of the steps 0.4, from three quarters 0.1; half widths at 0.1, colours at 0.01.
    pub const ORIGINAL: Self = Self {
        start: StartStyle::SCATTERED,
        point_rates: [(0.75, 0.1), (0.5, 0.4), (0.0, 1.0)],
        width_rate: 0.1,
        color_rate: 0.01,
        colors_by_one_measure: false,
        contrast_weight: 0.0,
    };

    /// For the embedded model: short, thin strokes of muted colours near the middle, which leave most of the
    /// background visible. The model rarely removes initial strokes that it does not need, so the drawing
    /// starts with little paint and grows from there.
    pub const COMPACT: Self = Self {
        start: StartStyle {
            margin: 0.36,
            walk_step: 0.1,
            half_width: 1.5,
            opacity: [0.15, 0.5],
            saturation: 0.4,
        },
        point_rates: [(0.8, 0.15), (0.5, 0.4), (0.0, 1.0)],
        width_rate: 0.05,
        color_rate: 0.005,
        colors_by_one_measure: true,
        contrast_weight: 0.1,
    };

    /// The rates of step `step` (from 0) of `steps`. Lengths scale with the canvas, so that a larger canvas is drawn
    /// on in the same way.
    pub fn rates(&self, step: usize, steps: usize, canvas: &Canvas) -> Rates {
        let rates = self.point_rates;
        let point_rate = rates
            .iter()
            .find(|(part, _)| step >= (steps as f64 * part) as usize)
            .map_or(rates[2].1, |(_, rate)| *rate);
        Rates {
            points: point_rate * canvas.scale(),
            half_widths: self.width_rate * canvas.scale(),
            colors: self.color_rate,
            opacities: self.color_rate,
            colors_by_one_measure: self.colors_by_one_measure,
        }
    }

    /// The preset that suits this model.
    pub fn for_model(clip: &Clip) -> Self {
        match clip.config().image {
            ImageConfig::EfficientNet(_) => Self::COMPACT,
            ImageConfig::Transformer(_) | ImageConfig::ResNet(_) => Self::ORIGINAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_of_points_fall_at_half_and_three_quarters() {
        let canvas = Canvas::default();
        let rate = |step| Preset::ORIGINAL.rates(step, 600, &canvas).points;
        assert_eq!(
            [0, 299, 300, 449, 450, 599].map(rate),
            [1.0, 1.0, 0.4, 0.4, 0.1, 0.1]
        );
        assert_eq!(Preset::ORIGINAL.rates(0, 1, &canvas).points, 0.1);
    }
}
