//! Divides a text into prompts and their weights.

use super::ambiguity;
use super::error::{MAX_PROMPTS, MAX_WEIGHT, PromptError, beginning};
use super::symbols::{BAR, COLON, Symbol, is_between_digits, symbols, text_of};
use crate::draw::WeightedPrompt;

/// A prompt, and a line for the caller if it could have been meant in another way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) prompt: WeightedPrompt,
    pub(super) note: Option<String>,
}

/// Reads every prompt of a text.
pub(super) fn read(text: &str) -> Result<Vec<Reading>, PromptError> {
    let symbols = symbols(text);
    let parts: Vec<&[Symbol]> = symbols.split(|symbol| symbol.separates(BAR)).collect();
    if parts.len() > MAX_PROMPTS {
        return Err(PromptError::TooMany(parts.len()));
    }
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let reading = read_part(part)?;
            if reading.prompt.text.is_empty() {
                return Err(PromptError::Empty {
                    part: index + 1,
                    parts: parts.len(),
                });
            }
            Ok(reading)
        })
        .collect()
}

/// Splits a part at its last colon, if a number follows it.
fn read_part(part: &[Symbol]) -> Result<Reading, PromptError> {
    let colon = part.iter().rposition(|symbol| symbol.separates(COLON));
    let weight = colon.and_then(|colon| {
        let (text, weight) = (&part[..colon], text_of(&part[colon + 1..]));
        let number: f32 = weight.parse().ok()?;
        (!is_between_digits(part, colon)).then_some((text, weight, number))
    });
    let Some((kept, weight, number)) = weight else {
        let prompt = WeightedPrompt::new(text_of(part));
        let note = ambiguity::in_text(part, &prompt);
        return Ok(Reading { prompt, note });
    };
    let text = text_of(kept);
    if !number.is_finite() || number.abs() > MAX_WEIGHT {
        let text = beginning(&text);
        return Err(PromptError::Weight { text, weight });
    }
    let prompt = WeightedPrompt {
        text,
        weight: number,
    };
    let note = ambiguity::in_text(kept, &prompt)
        .or_else(|| ambiguity::in_weight(&part[kept.len() + 1..], kept, &prompt));
    Ok(Reading { prompt, note })
}
