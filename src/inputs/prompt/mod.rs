//! Several weighted prompts in one text: `a red fox | watercolor:0.5 | text:-0.3 | a sketch:1:0.4`.

mod error;
mod symbols;
mod ambiguity;
mod syntax;
mod tokens;

use std::str::FromStr;

use crate::draw::WeightedPrompt;

pub use self::error::{MAX_PROMPTS, MAX_WEIGHT, PromptError};
pub use self::tokens::{TokenLimit, count_tokens};

/// The input `prompt`: the text as the caller wrote it, and the prompts in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The whole text.
    pub text: String,
    /// What it consists of, at most [`MAX_PROMPTS`] prompts; none if the text is empty or only spaces.
    pub parts: Vec<WeightedPrompt>,
    /// A line for each part that could have been meant in another way.
    pub notes: Vec<String>,
}

impl FromStr for Prompt {
    type Err = PromptError;

    fn from_str(text: &str) -> Result<Self, PromptError> {
        if text.trim().is_empty() {
            return Ok(Self {
                text: text.to_owned(),
                parts: Vec::new(),
                notes: Vec::new(),
            });
        }
        let readings = syntax::read(text)?;
        Ok(Self {
            text: text.to_owned(),
            notes: readings
                .iter()
                .filter_map(|reading| reading.note.clone())
                .collect(),
            parts: readings.into_iter().map(|reading| reading.prompt).collect(),
        })
    }
}

/// Splits a text at `|` and each part at its last colon, if a number follows it. A colon between
/// two digits belongs to the text (`12:30`, `16:9`); a space before it makes it a weight again. Two numbers after colons
/// without spaces are a weight and a stop (`a fox:2:0.5`), if the second one is from 0 to 1. After a backslash, `|`, `:` and
/// a backslash are plain characters.
///
/// # Errors
/// When a part of several is empty, a weight is not within ±10, or there are more than 16 parts.
pub fn parse_prompts(text: &str) -> Result<Vec<WeightedPrompt>, PromptError> {
    Ok(text.parse::<Prompt>()?.parts)
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
        let cases: [(&str, &[(&str, f32)]); 17] = [
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
            (r"a title\: 2", &[("a title: 2", 1.0)]),
            (r"a title\: 2 :0.5", &[("a title: 2", 0.5)]),
            (
                r"this \| that | more",
                &[("this | that", 1.0), ("more", 1.0)],
            ),
            (r"C:\Users\fox", &[(r"C:\Users\fox", 1.0)]),
            (r"a\\:2", &[(r"a\", 2.0)]),
            (r"a\\\:2", &[(r"a\:2", 1.0)]),
            (r"a\\|b", &[(r"a\", 1.0), ("b", 1.0)]),
            (r"\:\|\\", &[(r":|\", 1.0)]),
            (r"a\", &[(r"a\", 1.0)]),
            ("hello:2:15", &[("hello:2:15", 1.0)]),
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
        let check = |tokens| {
            let truncate = false;
            TokenLimit { tokens, truncate }.check(&prompt.parts)
        };
        assert_eq!(check(102), Ok(()));
        let Err(PromptError::TooManyTokens { text, tokens, .. }) = check(77) else {
            panic!("it is too long");
        };
        assert_eq!((text.chars().count(), tokens), (error::MAX_QUOTE + 1, 102));
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

    /// The notes about a text.
    fn notes(text: &str) -> Vec<String> {
        text.parse::<Prompt>().unwrap().notes
    }

    #[test]
    fn a_number_that_could_be_a_weight_or_text_is_noted() {
        for (text, expected) in [
            (
                "unreal engine 5:0.5",
                "prompt `unreal engine 5:0.5` has the weight 1: `:0.5` is part of its text, because the colon is \
                 between two digits; if it is the weight, write a space before the colon; if it is text, write `\\:`",
            ),
            (
                "hello:2:15",
                "prompt `hello:2:15` has the weight 1: `:2` is part of its text, because only a number at the end is \
                 a weight; if it is text, write `\\:`",
            ),
            ("a:2:1.5", "prompt `a:2:1.5` has the weight 1: `:2` is"),
            ("a:2: -0.5", "prompt `a:2` has the weight -0.5: `:2` is"),
            (
                "a fox:0,5",
                "`:0,5` is part of its text, because it is not a number",
            ),
            (
                "a fox:50%",
                "`:50%` is part of its text, because it is not a number",
            ),
            ("(a fox:1.3)", "`:1.3)` is part of its text"),
            (
                "16:9",
                "`:9` is part of its text, because the colon is between",
            ),
            (
                "Alien: 3",
                "the number after `Alien` is its weight, 3; if it is text, write `\\:`",
            ),
            ("a fox::2", "the number after `a fox:` is its weight, 2"),
        ] {
            let notes = notes(text);
            assert_eq!(notes.len(), 1, "{text}: {notes:?}");
            assert!(notes[0].contains(expected), "{text}: {}", notes[0]);
        }
    }

    #[test]
    fn two_numbers_without_spaces_are_a_weight_and_a_stop_and_are_noted() {
        for (text, expected) in [
            ("a fox:2:0.5", ("a fox", 2.0, 0.5)),
            ("a fox:-0.3:.25 ", ("a fox", -0.3, 0.25)),
            ("unreal engine 5 :2:0.5", ("unreal engine 5", 2.0, 0.5)),
            ("a fox:1:1", ("a fox", 1.0, 1.0)),
            ("a fox:1:0", ("a fox", 1.0, 0.0)),
            (r"Alien\: 3:0.5:0.1", (r"Alien: 3:0.5:0.1", 1.0, 1.0)),
            (r"Alien\: 3 :0.5:0.1", ("Alien: 3", 0.5, 0.1)),
            ("hello:2:15", ("hello:2:15", 1.0, 1.0)),
            ("hello:20:0.5", ("hello:20:0.5", 1.0, 1.0)),
            ("at 12:30:1", ("at 12:30:1", 1.0, 1.0)),
            ("a:2: 0.5", ("a:2", 0.5, 1.0)),
            ("a:nan:0.5", ("a:nan", 0.5, 1.0)),
        ] {
            let part = &parse_prompts(text).unwrap()[0];
            assert_eq!(
                (part.text.as_str(), part.weight, part.stop),
                expected,
                "{text}"
            );
        }
        assert_eq!(
            notes("a fox:2:0.5"),
            [
                "the numbers after `a fox` are its weight, 2, and its stop, 0.5: it ends after 0.5 of the steps; if they are text, write `\\:`"
            ]
        );
        assert_eq!(notes(r"a fox\:2\:0.5"), [""; 0]);
        assert!(matches!(
            parse_prompts(" :2:0.5"),
            Err(PromptError::Empty { part: 1, parts: 1 })
        ));
    }

    #[test]
    fn a_clear_prompt_and_an_escaped_colon_are_not_noted() {
        for text in [
            "a red fox | watercolor:0.5 | text:-0.3",
            "a clock at 12:30",
            "route 66 :0.5",
            "a title: the story",
            "year: 1984 in colour",
            r"unreal engine 5\:0.5",
            r"hello\:2\:15",
            r"Alien\: 3",
            r"Alien\: 3 :0.5",
        ] {
            assert_eq!(notes(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_note_has_one_short_line() {
        let text = format!("a\n{}:0,5", "é".repeat(3000));
        let notes = notes(&text);
        assert!(
            notes[0].len() < 500 && !notes[0].contains('\n'),
            "{notes:?}"
        );
    }

    #[test]
    fn a_long_prompt_is_cut_at_the_limit_of_the_model_and_the_note_says_where() {
        let words = "one two three four five six seven eight nine ten | a fox";
        let parts = parse_prompts(words).unwrap();
        for tokens in [5, 8, 77] {
            let truncate = true;
            let limit = TokenLimit { tokens, truncate };
            assert_eq!(limit.check(&parts), Ok(()));
            let notes = limit.notes(&parts);
            if tokens == 77 {
                assert_eq!(notes, [""; 0]);
                continue;
            }
            let end = if tokens == 5 {
                "`one two three`"
            } else {
                "`three four five six`"
            };
            let expected = format!(
                "has 12 tokens, including the start and end tokens; the model reads {tokens}, so it is cut after {end}"
            );
            assert!(
                notes.len() == 1 && notes[0].ends_with(&expected),
                "{notes:?}"
            );
        }
        let limit = TokenLimit {
            tokens: 2,
            truncate: true,
        };
        assert!(matches!(
            limit.check(&parts),
            Err(PromptError::TooManyTokens { limit: 2, .. })
        ));
    }

    #[test]
    fn a_prompt_without_a_latin_letter_gets_a_hint() {
        let limit = TokenLimit {
            tokens: 77,
            truncate: false,
        };
        let notes = limit.notes(&parse_prompts("日本の狐 | a fox | лиса:0.5 | Ñ | 7").unwrap());
        let found: Vec<_> = notes
            .iter()
            .map(|note| note.split('`').nth(1).unwrap())
            .collect();
        assert_eq!(found, ["日本の狐", "лиса", "7"]);
        assert!(
            notes[0].contains("has no Latin letter; CLIP models are trained mostly on English")
        );
    }
}
