//! The loss of one state of the strokes, term by term.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::WeightedPrompt;

/// The part of a term that belongs to one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptLoss {
    /// The prompt with its weight.
    pub prompt: WeightedPrompt,
    /// The mean over the views of the cosine between view and text, -1 to 1.
    pub similarity: f64,
    /// Its part of the loss: the negative sum of cosines, times both weights. If the prompt has ended, this is what its part
    /// would be, and the value of the term does not include it.
    pub loss: f64,
    /// Whether the prompt no longer acts ([`WeightedPrompt::stop`]).
    pub has_ended: bool,
}

/// One term of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct TermLoss {
    /// The term's name, as in log lines and in the metric `losses`.
    pub name: &'static str,
    /// Its value as it is minimized, all weights included.
    pub value: f64,
    /// False for a term that is turned off, which log lines leave out.
    pub is_active: bool,
    /// How the value is divided among prompts, for a term that belongs to them.
    pub prompts: Vec<PromptLoss>,
}

/// All terms of the loss for one state of the strokes, in the order in which the objective lists them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Losses {
    terms: Vec<TermLoss>,
}

impl Losses {
    /// Losses of these terms.
    pub fn new(terms: Vec<TermLoss>) -> Self {
        Self { terms }
    }

    /// Every term, active or not.
    pub fn terms(&self) -> &[TermLoss] {
        &self.terms
    }

    /// The value of the term with this name, if there is one.
    pub fn value(&self, name: &str) -> Option<f64> {
        let term = self.terms.iter().find(|term| term.name == name)?;
        Some(term.value)
    }

    /// The parts of all prompts.
    pub fn prompts(&self) -> impl Iterator<Item = &PromptLoss> {
        self.terms.iter().flat_map(|term| &term.prompts)
    }

    /// The whole loss.
    pub fn total(&self) -> f64 {
        // The sum of no floats is -0.
        self.terms.iter().map(|term| term.value).sum::<f64>() + 0.0
    }
}

/// As the metric `losses` shows them: `total`, each term by its name, and `prompts`; a prompt that no longer acts is marked as
/// `ended`.
impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let prompts: Vec<_> = self
            .prompts()
            .map(|part| {
                let mut shown = serde_json::json!({
                    "prompt": part.prompt.text,
                    "weight": part.prompt.weight,
                    "similarity": part.similarity,
                    "loss": part.loss,
                });
                if part.has_ended {
                    shown["ended"] = true.into();
                }
                shown
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("total", &self.total())?;
        for term in &self.terms {
            map.serialize_entry(term.name, &term.value)?;
        }
        map.serialize_entry("prompts", &prompts)?;
        map.end()
    }
}
