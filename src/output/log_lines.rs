//! Lines that report the progress of a drawing to a person.

use super::Provenance;
use crate::draw::{Losses, Spec};

/// The prompt with the main settings; `prompt` is the text as the caller wrote it.
pub fn opening_line(prompt: &str, spec: &Spec, provenance: &Provenance) -> String {
    format!(
        "drawing `{}` with {} strokes, seed {}, CLIP {} on {} in {}",
        on_one_line(prompt),
        spec.strokes,
        spec.seed,
        provenance.model,
        provenance.device,
        provenance.precision,
    )
}

/// The progress of a drawing: steps done and in all, steps per second, the loss term by term.
pub fn step_line(step: usize, steps: usize, steps_per_second: f64, losses: &Losses) -> String {
    format!(
        "step {step}/{steps}  {steps_per_second:.1} steps/s  {}",
        loss_line(losses)
    )
}

/// The loss split into its terms, as in `loss -0.82 = clip -0.85 + centre 0.03`.
pub fn loss_line(losses: &Losses) -> String {
    let mut terms: Vec<String> = match losses.prompts.as_slice() {
        [only] => vec![format!("clip {:.4}", only.loss)],
        several => several
            .iter()
            .map(|term| format!("clip `{}` {:.4}", on_one_line(&term.prompt.text), term.loss))
            .collect(),
    };
    if losses.contrast != 0.0 {
        terms.push(format!("contrast {:.4}", losses.contrast));
    }
    format!(
        "loss {:.4} = {} + centre {:.4}",
        losses.total(),
        terms.join(" + "),
        losses.centre
    )
}

/// The maximum length of a prompt in a line, in characters.
const MAX_LENGTH: usize = 60;

/// A text cut to fit on one line, without control characters, which a terminal would act on.
fn on_one_line(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut line: String = text.chars().take(MAX_LENGTH).map(shown).collect();
    if text.chars().nth(MAX_LENGTH).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{PromptLoss, WeightedPrompt};

    #[test]
    fn the_loss_is_shown_term_by_term() {
        let term = |text: &str, weight: f32, similarity: f64| PromptLoss {
            prompt: WeightedPrompt {
                text: text.to_owned(),
                weight,
            },
            similarity,
            loss: -f64::from(weight) * similarity * 4.0,
        };
        let mut losses = Losses {
            prompts: vec![term("a fox", 1.0, 0.25)],
            contrast: 0.0,
            centre: 0.03,
        };
        assert_eq!(
            loss_line(&losses),
            "loss -0.9700 = clip -1.0000 + centre 0.0300"
        );
        losses.prompts.push(term("text", -0.5, 0.1));
        assert_eq!(
            loss_line(&losses),
            "loss -0.7700 = clip `a fox` -1.0000 + clip `text` 0.2000 + centre 0.0300"
        );
    }
}
