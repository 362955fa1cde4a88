//! Several weighted prompts in one text: `a red fox | watercolor:0.5 | text:-0.3`.

use crate::draw::WeightedPrompt;

/// Most prompts in one text.
pub const MOST_PROMPTS: usize = 16;

/// The largest weight of a prompt, on either side of zero.
pub const LARGEST_WEIGHT: f32 = 10.0;

/// The longest part of a prompt that an error repeats, in characters.
const LONGEST_QUOTE: usize = 40;

/// Why a text is no list of weighted prompts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PromptError {
    /// There is nothing between two bars, or nothing before a weight.
    #[error("part {part} of {parts} is empty; each part between | must hold a text")]
    Empty {
        /// Which part, from 1.
        part: usize,
        /// How many there are.
        parts: usize,
    },
    /// A weight is too large or not finite.
    #[error(
        "the weight {weight} after `{text}` must be a finite number from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}"
    )]
    Weight {
        /// The prompt.
        text: String,
        /// What stands after its colon.
        weight: String,
    },
    /// Too many parts.
    #[error("{0} prompts are too many; at most {MOST_PROMPTS} may be separated by |")]
    TooMany(usize),
}

/// Splits a text at `|` and each part at its last colon, if a number follows it. A colon between
/// two digits belongs to the text (`12:30`, `16:9`); a space before it makes it a weight again.
///
/// # Errors
/// When a part is empty, a weight is not within ±10, or there are more than 16 parts.
pub fn parse_prompts(text: &str) -> Result<Vec<WeightedPrompt>, PromptError> {
    let parts: Vec<&str> = text.split('|').collect();
    if parts.len() > MOST_PROMPTS {
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
    if !number.is_finite() || number.abs() > LARGEST_WEIGHT {
        return Err(PromptError::Weight {
            text: text.trim().chars().take(LONGEST_QUOTE).collect(),
            weight: weight.trim().to_owned(),
        });
    }
    Ok(WeightedPrompt {
        text: text.trim().to_owned(),
        weight: number,
    })
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
    fn prompts_are_split_at_bars_and_weighed_after_colons() {
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
    fn what_cannot_be_read_is_refused_with_the_part_at_fault() {
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
