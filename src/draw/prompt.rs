//! Prompts with their weights.

/// A text and how much it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedPrompt {
    /// What the picture should show.
    pub text: String,
    /// Its weight in the loss; a negative one moves the picture away from the text.
    pub weight: f32,
}

impl WeightedPrompt {
    /// A text of weight 1.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            weight: 1.0,
        }
    }
}
