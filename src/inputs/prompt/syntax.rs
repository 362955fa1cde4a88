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

/// The weight and the stop of a part that ends with both, as in `a fox:2:0.5`, and the number of symbols before them: two
/// numbers without spaces, the first a possible weight and the second from 0 to 1. As for a weight alone, the colon before
/// them must not be between two digits.
fn weight_and_stop(part: &[Symbol]) -> Option<(usize, f32, f32)> {
    let last = part.iter().rposition(|symbol| symbol.separates(COLON))?;
    let first = part[..last]
        .iter()
        .rposition(|symbol| symbol.separates(COLON))?;
    if is_between_digits(part, first) {
        return None;
    }
    let number = |symbols: &[Symbol]| -> Option<f32> {
        let text: String = symbols.iter().map(|symbol| symbol.character).collect();
        text.parse().ok()
    };
    let weight = number(&part[first + 1..last]).filter(|weight| weight.abs() <= MAX_WEIGHT)?;
    let end = part
        .iter()
        .rposition(|symbol| !symbol.character.is_whitespace())?;
    let stop = number(part.get(last + 1..=end)?).filter(|stop| (0.0..=1.0).contains(stop))?;
    Some((first, weight, stop))
}

/// Splits a part before its weight and its stop, or at its last colon, if a number follows it.
fn read_part(part: &[Symbol]) -> Result<Reading, PromptError> {
    if let Some((colon, weight, stop)) = weight_and_stop(part) {
        let text = text_of(&part[..colon]);
        let prompt = WeightedPrompt { text, weight, stop };
        let note = Some(ambiguity::in_stop(&prompt));
        return Ok(Reading { prompt, note });
    }
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
        weight: number,
        ..WeightedPrompt::new(text)
    };
    let note = ambiguity::in_text(kept, &prompt)
        .or_else(|| ambiguity::in_weight(&part[kept.len() + 1..], kept, &prompt));
    Ok(Reading { prompt, note })
}
