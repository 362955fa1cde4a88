//! The term of the prompts: the negative weighted sum over the views of the cosine between view and text
//! (`CLIPDraw`, section 3.1).

use std::sync::Arc;

use tch::{TchError, Tensor};

use super::term::{EncodedPrompt, StrokePart, Term, TermContext, ViewEmbeddings};
use crate::draw::losses::PromptLoss;
use crate::scene::Canvas;

/// The name of the term.
pub(super) const NAME: &str = "clip";

/// The term of all prompts together.
#[derive(Debug, Clone)]
pub(super) struct Prompts {
    prompts: Arc<[EncodedPrompt]>,
    clip_weight: f64,
}

impl Prompts {
    pub(super) fn new(context: &TermContext<'_>, clip_weight: f64) -> Self {
        Self {
            prompts: context.prompts.into(),
            clip_weight,
        }
    }
}

impl Term for Prompts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn on_views(&self, views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        Ok(Some(views.alignment.shallow_clone()))
    }

    fn stroke_part(&self, _: &Canvas, _: usize) -> StrokePart {
        StrokePart::Independent
    }

    fn prompts(&self, embeddings: &[f32]) -> Vec<PromptLoss> {
        let parts = self.prompts.iter().map(|encoded| {
            let sum: f64 = embeddings
                .chunks(encoded.embedding.len())
                .map(|view| dot(&encoded.embedding, view))
                .sum();
            let views = embeddings.len() / encoded.embedding.len();
            PromptLoss {
                prompt: encoded.prompt.clone(),
                similarity: sum / views as f64,
                // Adding zero turns -0 into 0.
                loss: -self.clip_weight * f64::from(encoded.prompt.weight) * sum + 0.0,
                has_ended: false,
            }
        });
        parts.collect()
    }

    fn description(&self) -> String {
        "CLIP terms".to_owned()
    }
}

fn dot(text: &[f32], view: &[f32]) -> f64 {
    let products = text
        .iter()
        .zip(view)
        .map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}
