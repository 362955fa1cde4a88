//! Which numbers of strokes are fixed.

use crate::optimizer::Rates;
use crate::scene::{Canvas, Rgb, Strokes};

/// What all strokes have in common from the start to the end of a drawing. Everything else of them moves; the default fixes
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ink {
    /// The colour of every stroke.
    pub color: Option<Rgb>,
    /// The opacity of every stroke, 0 to 1.
    pub opacity: Option<f32>,
    /// The full width of every stroke, in pixels of a 224 pixel canvas, greater than 0.
    pub width: Option<f32>,
}

impl Ink {
    /// Half the width of every stroke on a canvas, in canvas pixels.
    pub(super) fn half_width(&self, canvas: &Canvas) -> Option<f32> {
        self.width.map(|width| 0.5 * width * canvas.scale())
    }

    /// Gives strokes what is fixed.
    pub(super) fn apply(&self, strokes: &mut Strokes, canvas: &Canvas) {
        if let Some(half_width) = self.half_width(canvas) {
            strokes.half_widths.fill(half_width);
        }
        for [red, green, blue, opacity] in &mut strokes.colors {
            if let Some(color) = self.color {
                [*red, *green, *blue] = color.channels();
            }
            *opacity = self.opacity.unwrap_or(*opacity);
        }
    }

    /// The learning rates with those of everything that is fixed at 0. This is the only place that decides what moves: the
    /// optimizer and the kernels of a GPU follow the rates.
    pub(super) fn rates(&self, rates: Rates) -> Rates {
        let unless = |is_fixed: bool, rate: f32| if is_fixed { 0.0 } else { rate };
        Rates {
            half_widths: unless(self.width.is_some(), rates.half_widths),
            colors: unless(self.color.is_some(), rates.colors),
            opacities: unless(self.opacity.is_some(), rates.opacities),
            ..rates
        }
    }
}
