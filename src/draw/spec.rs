//! The plan of one drawing.

use std::sync::Arc;

use super::image_prompt::ImagePrompt;
use super::ink::Ink;
use super::objective::ObjectiveSpec;
use super::preset::Preset;
use super::prompt::WeightedPrompt;
use crate::scene::{Canvas, Strokes};

/// Everything that decides how a drawing turns out. All values are valid: the code that creates a
/// `Spec` has checked them. The defaults are those of the inputs, with the seed 0 and no prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What to draw, at least one prompt unless there are image prompts.
    pub prompts: Vec<WeightedPrompt>,
    /// Pictures that are prompts.
    pub image_prompts: Vec<ImagePrompt>,
    /// What to draw on.
    pub canvas: Canvas,
    /// The strokes at the start, not more than `strokes`; the others, or all without it, are random.
    pub start: Option<Arc<Strokes>>,
    /// Strokes on top of the others that stay as they are.
    pub fixed: Option<Arc<Strokes>>,
    /// The number of strokes that are moved.
    pub strokes: usize,
    /// The number of updates of the strokes.
    pub steps: usize,
    /// A frame is due each time that this many updates are done, and at the end.
    pub steps_per_frame: usize,
    /// Views of the picture that CLIP sees in each step.
    pub views: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// The terms of the loss.
    pub objective: ObjectiveSpec,
    /// Minimum and maximum full width of a stroke, in pixels of a 224 pixel canvas.
    pub stroke_widths: [f32; 2],
    /// What of the strokes is fixed. A fixed width may be outside of the limits.
    pub ink: Ink,
    /// How strokes start and move; `None` means the preset that suits the model.
    pub preset: Option<Preset>,
    /// Whether prompts are cut after the last word that the model reads. If not, a prompt with more tokens is an error.
    pub truncate: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            prompts: Vec::new(),
            image_prompts: Vec::new(),
            canvas: Canvas::default(),
            start: None,
            fixed: None,
            strokes: 256,
            steps: 600,
            steps_per_frame: 10,
            views: 4,
            seed: 0,
            objective: ObjectiveSpec::default(),
            stroke_widths: [2.0, 100.0],
            ink: Ink::default(),
            preset: None,
            truncate: false,
        }
    }
}

impl Spec {
    /// A drawing of one prompt with the defaults.
    pub fn prompt(text: impl Into<String>) -> Self {
        Self {
            prompts: vec![WeightedPrompt::new(text)],
            ..Self::default()
        }
    }

    /// The number of all strokes.
    pub fn all_strokes(&self) -> usize {
        self.strokes + self.fixed.as_ref().map_or(0, |fixed| fixed.len())
    }

    /// Minimum and maximum half width of a stroke, in canvas pixels.
    pub(super) fn half_width_limits(&self) -> [f32; 2] {
        match self.ink.half_width(&self.canvas) {
            Some(half_width) => [half_width; 2],
            None => self
                .stroke_widths
                .map(|width| 0.5 * width * self.canvas.scale()),
        }
    }
}
