//! The plan of one drawing.

use super::recipe::Recipe;
use crate::scene::Canvas;

/// A text and how much it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedPrompt {
    /// What CLIP should read in the picture.
    pub text: String,
    /// Its weight in the loss; a negative one moves the picture away from the text.
    pub weight: f32,
}

/// The penalty on stroke points that lie far from a centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CentreConstraint {
    /// The centre as fractions of the canvas width and height.
    pub position: [f64; 2],
    /// The radius without penalty, in pixels of a 224 pixel canvas.
    pub threshold: f64,
    /// The exponent of the distance beyond the threshold, at least 1.
    pub power: f64,
    /// The weight of the penalty; 0 turns it off.
    pub weight: f64,
}

/// Everything that decides how a drawing turns out. All values are legal: whoever makes a `Spec`
/// has checked them.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What to draw, at least one prompt.
    pub prompts: Vec<WeightedPrompt>,
    /// What to draw on.
    pub canvas: Canvas,
    /// The number of strokes.
    pub strokes: usize,
    /// The number of updates of the strokes.
    pub steps: usize,
    /// A frame is due whenever this many updates are done, and at the end.
    pub steps_per_frame: usize,
    /// Views of the picture that CLIP looks at in each step.
    pub views: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// The weight of the CLIP terms; 0 leaves the centre constraint alone.
    pub clip_weight: f64,
    /// The penalty on distance from the centre.
    pub centre: CentreConstraint,
    /// Least and greatest full width of a stroke, in pixels of a 224 pixel canvas.
    pub stroke_widths: [f32; 2],
    /// How strokes begin and move; none means the recipe that suits the model.
    pub recipe: Option<Recipe>,
}
