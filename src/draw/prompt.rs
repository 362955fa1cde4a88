//! Prompts with their weights.

/// A text and how much it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedPrompt {
    /// What the picture should show.
    pub text: String,
    /// Its weight in the loss; a negative one moves the picture away from the text.
    pub weight: f32,
    /// The part of all steps, 0 to 1, after which the weight is 0. With 1, the prompt acts to the end.
    pub stop: f32,
}

impl WeightedPrompt {
    /// A text of weight 1 that acts to the end.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            weight: 1.0,
            stop: 1.0,
        }
    }

    /// Updates done when the prompt no longer acts, of `steps` in all; `None` if it acts to the end.
    pub fn last_update(&self, steps: usize) -> Option<usize> {
        (self.stop < 1.0).then(|| (self.stop * steps as f32).round() as usize)
    }
}
