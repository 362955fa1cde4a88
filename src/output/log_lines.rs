//! Lines that report the progress of a drawing to a person.

use super::Provenance;
use crate::draw::{Losses, Spec, TermLoss};
use crate::plural::counted;

/// The prompts as they were read, with their weights, and the main settings of some drawings of a plan, with its seed and the
/// following ones.
pub fn opening_line(spec: &Spec, drawings: usize, provenance: &Provenance) -> String {
    let prompts = spec.prompts.iter().map(|prompt| {
        let text = on_one_line(&prompt.text);
        let stop = if prompt.stop < 1.0 {
            format!(", stop {}", prompt.stop)
        } else {
            String::new()
        };
        format!("`{text}` (weight {}{stop})", prompt.weight)
    });
    let pictures = spec.image_prompts.iter();
    let pictures = pictures.map(|image| format!("a picture (weight {})", image.weight));
    let prompts: Vec<String> = prompts.chain(pictures).collect();
    let seeds = match drawings {
        0 | 1 => format!("seed {}", spec.seed),
        several => format!("seeds {} to {}", spec.seed, spec.seed + several as u64 - 1),
    };
    let backend = provenance.backend.as_ref();
    let backend = backend.map_or_else(String::new, |name| format!(" ({name})"));
    format!(
        "drawing {} with {}, {seeds}, CLIP {} on {} in {}{backend}",
        prompts.join(", "),
        counted(spec.strokes, "stroke", "strokes"),
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

/// What a [`step_line`] says about the progress.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Steps per second since the start.
    pub steps_per_second: f64,
}

impl StepReport {
    /// Reads a line of a log; `None` if it is not about a step. The line may begin with the number of its drawing.
    pub fn of_line(line: &str) -> Option<Self> {
        let line = match line.strip_prefix("drawing ") {
            Some(rest) => rest.split_once("  ")?.1,
            None => line,
        };
        let (steps, rest) = line.strip_prefix("step ")?.split_once("  ")?;
        let (step, steps) = steps.split_once('/')?;
        let (rate, _) = rest.split_once(" steps/s")?;
        Some(Self {
            step: step.parse().ok()?,
            steps: steps.parse().ok()?,
            steps_per_second: rate.parse().ok()?,
        })
    }
}

/// The loss split into its terms, as in `loss -0.82 = clip -0.85 + centre 0.03`. Prompts that no longer act follow with what
/// their part would be, as in `; ended: `a fox` -0.31`.
pub fn loss_line(losses: &Losses) -> String {
    if losses.terms().is_empty() {
        return "no loss computed".to_owned();
    }
    let active = losses.terms().iter().filter(|term| term.is_active);
    let terms: Vec<String> = active.flat_map(term_texts).collect();
    let ended: Vec<String> = losses
        .prompts()
        .filter(|part| part.has_ended)
        .map(|part| format!("`{}` {:.4}", on_one_line(&part.prompt.text), part.loss))
        .collect();
    let ended = if ended.is_empty() {
        String::new()
    } else {
        format!("; ended: {}", ended.join(", "))
    };
    format!("loss {:.4} = {}{ended}", losses.total(), terms.join(" + "))
}

/// A term with its value; one that is divided among several prompts, prompt by prompt.
fn term_texts(term: &TermLoss) -> Vec<String> {
    let has_acting = term.prompts.iter().any(|part| !part.has_ended);
    if term.prompts.len() < 2 || !has_acting {
        return vec![format!("{} {:.4}", term.name, term.value)];
    }
    let acting = term.prompts.iter().filter(|part| !part.has_ended);
    let parts = acting.map(|part| {
        let prompt = on_one_line(&part.prompt.text);
        format!("{} `{prompt}` {:.4}", term.name, part.loss)
    });
    parts.collect()
}

/// The maximum length of a prompt in a line, in characters.
const MAX_LENGTH: usize = 60;

/// A text cut to fit on one line, without control characters, which a terminal would act on.
pub(crate) fn on_one_line(text: &str) -> String {
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

    fn term(name: &'static str, value: f64, prompts: Vec<PromptLoss>) -> TermLoss {
        TermLoss {
            name,
            value,
            is_active: name != "contrast",
            prompts,
        }
    }

    #[test]
    fn the_first_line_shows_every_prompt_with_its_weight() {
        let mut spec = Spec::prompt("a red\nfox");
        spec.prompts.push(WeightedPrompt {
            text: "x".repeat(100),
            weight: -0.3,
            stop: 1.0,
        });
        let provenance = Provenance {
            model: "ViT-B/32".to_owned(),
            weights_sha256: String::new(),
            tensors: None,
            activation: None,
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
            backend: Some("native".to_owned()),
        };
        assert_eq!(
            opening_line(&spec, 1, &provenance),
            format!(
                "drawing `a red fox` (weight 1), `{}…` (weight -0.3) with 256 strokes, seed 0, CLIP ViT-B/32 on cpu in fp32 (native)",
                "x".repeat(60)
            )
        );
    }

    #[test]
    fn the_loss_is_shown_term_by_term() {
        let part = |text: &str, weight: f32, similarity: f64| PromptLoss {
            prompt: WeightedPrompt {
                text: text.to_owned(),
                weight,
                stop: 1.0,
            },
            similarity,
            loss: -f64::from(weight) * similarity * 4.0,
            has_ended: false,
        };
        let losses = |prompts: Vec<PromptLoss>| {
            let value = prompts.iter().map(|part| part.loss).sum();
            Losses::new(vec![
                term("clip", value, prompts),
                term("contrast", 0.0, Vec::new()),
                term("centre", 0.03, Vec::new()),
            ])
        };
        let fox = part("a fox", 1.0, 0.25);
        assert_eq!(
            loss_line(&losses(vec![fox.clone()])),
            "loss -0.9700 = clip -1.0000 + centre 0.0300"
        );
        assert_eq!(
            loss_line(&losses(vec![fox, part("text", -0.5, 0.1)])),
            "loss -0.7700 = clip `a fox` -1.0000 + clip `text` 0.2000 + centre 0.0300"
        );
    }
}
