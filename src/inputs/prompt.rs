//! Several weighted prompts in one text: `a red fox | watercolor:0.5 | text:-0.3`.

use std::str::FromStr;

use crate::clip::Tokenizer;
use crate::draw::WeightedPrompt;

/// The maximum number of prompts in one text.
pub const MAX_PROMPTS: usize = 16;

/// The maximum of a prompt's weight, and minus its minimum.
pub const MAX_WEIGHT: f32 = 10.0;

/// The maximum length of a prompt that an error repeats, in characters.
const MAX_QUOTE: usize = 40;

/// The input `prompt`: the text as the caller wrote it, and the prompts in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The whole text.
    pub text: String,
    /// What it consists of, 1 to [`MAX_PROMPTS`] prompts.
    pub parts: Vec<WeightedPrompt>,
}

/// Why a text is not a list of weighted prompts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// There is nothing between two bars, or nothing before a weight.
    #[error("part {part} of {parts} is empty; each part between | must contain text")]
    Empty {
        /// Which part, from 1.
        part: usize,
        /// How many there are.
        parts: usize,
    },
    /// A weight is out of range or not finite.
    #[error(
        "the weight {weight} after `{text}` must be a finite number from -{MAX_WEIGHT} to {MAX_WEIGHT}"
    )]
    Weight {
        /// The beginning of the prompt.
        text: String,
        /// What stands after its colon.
        weight: String,
    },
    /// There are too many parts.
    #[error("it has {0} prompts; at most {MAX_PROMPTS} may be separated by |")]
    TooMany(usize),
    /// A prompt is too long for CLIP's text transformer.
    #[error(
        "`{text}` has {tokens} tokens, including the start and end tokens; at most {limit} are allowed"
    )]
    TooManyTokens {
        /// The beginning of the prompt.
        text: String,
        /// The number of its tokens.
        tokens: usize,
        /// The maximum number that the model reads.
        limit: usize,
    },
}

impl FromStr for Prompt {
    type Err = PromptError;

    fn from_str(text: &str) -> Result<Self, PromptError> {
        Ok(Self {
            text: text.to_owned(),
            parts: parse_prompts(text)?,
        })
    }
}

/// Checks that no prompt has more than `limit` tokens, including the start and end tokens.
///
/// # Errors
/// When one of them has more tokens.
pub fn check_tokens(parts: &[WeightedPrompt], limit: usize) -> Result<(), PromptError> {
    for part in parts {
        let tokens = count_tokens(&part.text);
        if tokens > limit {
            return Err(PromptError::TooManyTokens {
                text: beginning(&part.text),
                tokens,
                limit,
            });
        }
    }
    Ok(())
}

/// The number of tokens of a prompt, including the start and end tokens.
pub fn count_tokens(text: &str) -> usize {
    Tokenizer::shared().encode(text).len()
}

/// Splits a text at `|` and each part at its last colon, if a number follows it. A colon between
/// two digits belongs to the text (`12:30`, `16:9`); a space before it makes it a weight again.
///
/// # Errors
/// When a part is empty, a weight is not within ±10, or there are more than 16 parts.
pub fn parse_prompts(text: &str) -> Result<Vec<WeightedPrompt>, PromptError> {
    let parts: Vec<&str> = text.split('|').collect();
    if parts.len() > MAX_PROMPTS {
        return Err(PromptError::TooMany(parts.len()));
    }
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let prompt = parse_part(part)?;
            if prompt.text.is_empty() {
                return Err(PromptError::Empty {
                    part: index + 1,
                    parts: parts.len(),
                });
            }
            Ok(prompt)
        })
        .collect()
}

fn parse_part(part: &str) -> Result<WeightedPrompt, PromptError> {
    let whole = || WeightedPrompt {
        text: part.trim().to_owned(),
        weight: 1.0,
    };
    let Some((text, weight)) = part.rsplit_once(':') else {
        return Ok(whole());
    };
    let digits_on_both_sides = text.ends_with(|character: char| character.is_ascii_digit())
        && weight.starts_with(|character: char| character.is_ascii_digit());
    if digits_on_both_sides {
        return Ok(whole());
    }
    let Ok(number) = weight.trim().parse::<f32>() else {
        return Ok(whole());
    };
    if !number.is_finite() || number.abs() > MAX_WEIGHT {
        return Err(PromptError::Weight {
            text: beginning(text.trim()),
            weight: weight.trim().to_owned(),
        });
    }
    Ok(WeightedPrompt {
        text: text.trim().to_owned(),
        weight: number,
    })
}

/// A text, cut off with an ellipsis if it is long.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, f32)> {
        let prompts = parse_prompts(text).unwrap();
        prompts
            .into_iter()
            .map(|prompt| (prompt.text, prompt.weight))
            .collect()
    }

    #[test]
    fn prompts_are_split_at_bars_and_weighted_after_colons() {
        let cases: [(&str, &[(&str, f32)]); 7] = [
            (
                "a red fox | watercolor:0.5 | text:-0.3",
                &[("a red fox", 1.0), ("watercolor", 0.5), ("text", -0.3)],
            ),
            ("a cat", &[("a cat", 1.0)]),
            ("a clock at 12:30", &[("a clock at 12:30", 1.0)]),
            ("route 66 :0.5", &[("route 66", 0.5)]),
            ("area 51: -2", &[("area 51", -2.0)]),
            ("a title: the story", &[("a title: the story", 1.0)]),
            (" 日本:1e-1 ", &[("日本", 0.1)]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(text, weight)| ((*text).to_owned(), *weight))
                .collect();
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_prompt_of_too_many_tokens_is_an_error_however_many_prompts_there_are() {
        let long = "very ".repeat(100);
        let prompt: Prompt = format!("a fox | {long}").parse().unwrap();
        assert_eq!(check_tokens(&prompt.parts, 102), Ok(()));
        let Err(PromptError::TooManyTokens { text, tokens, .. }) = check_tokens(&prompt.parts, 77)
        else {
            panic!("it is too long");
        };
        assert_eq!((text.chars().count(), tokens), (MAX_QUOTE + 1, 102));
        let prompt: Prompt = "a fox | text:-1".parse().unwrap();
        assert_eq!(
            (prompt.text.as_str(), prompt.parts.len()),
            ("a fox | text:-1", 2)
        );
    }

    #[test]
    fn an_error_names_the_part_that_cannot_be_parsed() {
        for (text, part) in [
            ("a | | b", "part 2 of 3"),
            (":0.5", "part 1 of 1"),
            ("a:nan", "weight nan after `a`"),
            ("a:11", "weight 11 after `a`"),
            ("a:-inf", "-inf"),
            ("a:1e99", "1e99"),
        ] {
            let error = parse_prompts(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(
            parse_prompts(&"a|".repeat(16)),
            Err(PromptError::TooMany(17))
        );
    }
}
