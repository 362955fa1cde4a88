//! Notes about prompts in which a number after a colon could have been meant in another way: as a weight where it is
//! text, or as text where it is a weight.

use super::error::MAX_WEIGHT;
use super::symbols::{COLON, Symbol, is_between_digits, text_of};
use crate::draw::WeightedPrompt;
use crate::output::on_one_line;

/// A note if something in the text of `prompt` looks like a weight; `kept` is that text as it was written.
pub(super) fn in_text(kept: &[Symbol], prompt: &WeightedPrompt) -> Option<String> {
    let mut colons = (0..kept.len()).filter(|&index| kept[index].separates(COLON));
    let (number, is_between_digits) = colons.find_map(|colon| {
        let number = number_after(kept, colon);
        let is_between_digits = is_between_digits(kept, colon);
        let is_time = is_between_digits && number.len() == 2;
        (looks_like_weight(&number) && !is_time).then_some((number, is_between_digits))
    })?;
    let reason = if is_between_digits {
        "the colon is between two digits; if it is the weight, write a space before the colon"
    } else if number.parse::<f32>().is_err() {
        "it is not a number"
    } else {
        "only a number at the end is a weight"
    };
    Some(format!(
        "prompt `{}` has the weight {}: `:{}` is part of its text, because {reason}; if it is text, write `\\:`",
        on_one_line(&prompt.text),
        prompt.weight,
        on_one_line(&number),
    ))
}

/// A note if the weight of `prompt` could be text: a space between the colon and the number, or a second colon before
/// it. `weight` and `kept` are the weight and the text as they were written.
pub(super) fn in_weight(
    weight: &[Symbol],
    kept: &[Symbol],
    prompt: &WeightedPrompt,
) -> Option<String> {
    let is_space =
        |symbol: Option<&Symbol>| symbol.is_some_and(|symbol| symbol.character.is_whitespace());
    let is_title = is_space(weight.first()) && !is_space(kept.last());
    let is_double = kept.last().is_some_and(|symbol| symbol.separates(COLON));
    (is_title || is_double).then(|| {
        format!(
            "the number after `{}` is its weight, {}; if it is text, write `\\:`",
            on_one_line(&prompt.text),
            prompt.weight
        )
    })
}

/// A note on how two numbers at the end of a prompt were read.
pub(super) fn in_stop(prompt: &WeightedPrompt) -> String {
    let meaning = if prompt.stop < 1.0 {
        format!("it ends after {} of the steps", prompt.stop)
    } else {
        "it acts to the end".to_owned()
    };
    format!(
        "the numbers after `{}` are its weight, {}, and its stop, {}: {meaning}; if they are text, write `\\:`",
        on_one_line(&prompt.text),
        prompt.weight,
        prompt.stop,
    )
}

/// What stands between a colon and the next one.
fn number_after(symbols: &[Symbol], colon: usize) -> String {
    let rest = &symbols[colon + 1..];
    let end = rest.iter().position(|symbol| symbol.separates(COLON));
    text_of(&rest[..end.unwrap_or(rest.len())])
}

/// Whether someone could have written this for a weight: a number within the limits, perhaps with a decimal comma, a
/// percent sign or, as other programs want it, a bracket after it.
fn looks_like_weight(text: &str) -> bool {
    let is_percentage = text.ends_with('%');
    let number = text
        .trim_end_matches([')', ']', '}', '%'])
        .replace(',', ".")
        .parse::<f32>();
    let limit = if is_percentage {
        100.0 * MAX_WEIGHT
    } else {
        MAX_WEIGHT
    };
    number.is_ok_and(|number| number.abs() <= limit)
}
