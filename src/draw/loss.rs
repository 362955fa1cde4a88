//! What is minimised, term by term.

use super::WeightedPrompt;

/// The CLIP term of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptLoss {
    /// The prompt with its weight.
    pub prompt: WeightedPrompt,
    /// The mean over the views of the cosine between picture and text, -1 to 1.
    pub similarity: f64,
    /// The term as it is minimised: minus the sum of cosines, times both weights.
    pub loss: f64,
}

/// All terms of the loss for one state of the strokes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    /// One CLIP term for each prompt.
    pub prompts: Vec<PromptLoss>,
    /// The contrast with captions of other things.
    pub contrast: f64,
    /// The centre constraint.
    pub centre: f64,
}

impl Losses {
    /// The CLIP terms together.
    pub fn clip(&self) -> f64 {
        self.prompts.iter().map(|term| term.loss).sum()
    }

    /// The whole loss.
    pub fn total(&self) -> f64 {
        self.clip() + self.contrast + self.centre
    }
}
