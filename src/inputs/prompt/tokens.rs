//! The number of tokens of prompts, which a model limits, and a hint about the language.

use std::sync::LazyLock;

use regex::Regex;

use super::error::{PromptError, beginning};
use crate::clip::Tokenizer;
use crate::draw::WeightedPrompt;
use crate::output::on_one_line;

/// A letter of the Latin alphabet, also with accents.
static LATIN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{Latin}").expect("the pattern is part of the program"));

/// The number of words that a note shows before the place where a prompt is cut.
const SHOWN_WORDS: usize = 4;

/// The number of tokens of a prompt, including the start and end tokens.
pub fn count_tokens(text: &str) -> usize {
    Tokenizer::shared().encode(text).len()
}

/// How many tokens a prompt may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLimit {
    /// The maximum number of tokens that the model reads, including the start and end tokens.
    pub tokens: usize,
    /// Whether a longer prompt is cut; if not, it is an error.
    pub truncate: bool,
}

impl TokenLimit {
    /// Checks that no prompt has more tokens, even after it has been cut.
    ///
    /// # Errors
    /// When one of them has more tokens.
    pub fn check(self, parts: &[WeightedPrompt]) -> Result<(), PromptError> {
        for part in parts {
            let tokens = count_tokens(&part.text);
            let is_cut = || self.truncate && !self.beginning_of(part).is_empty();
            if tokens > self.tokens && !is_cut() {
                return Err(PromptError::TooManyTokens {
                    text: beginning(&part.text),
                    tokens,
                    limit: self.tokens,
                });
            }
        }
        Ok(())
    }

    /// A line for each prompt that is cut, and for each that has no Latin letter.
    pub fn notes(self, parts: &[WeightedPrompt]) -> Vec<String> {
        let notes = parts
            .iter()
            .flat_map(|part| [self.note_of_cut(part), note_of_language(part)]);
        notes.flatten().collect()
    }

    fn note_of_cut(self, part: &WeightedPrompt) -> Option<String> {
        let rest = self.truncate.then(|| self.beginning_of(part))?;
        if rest.len() == part.text.len() {
            return None;
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let last = words[words.len().saturating_sub(SHOWN_WORDS)..].join(" ");
        Some(format!(
            "prompt `{}` has {} tokens, including the start and end tokens; the model reads {}, so it is cut after `{}`",
            on_one_line(&part.text),
            count_tokens(&part.text),
            self.tokens,
            on_one_line(&last),
        ))
    }

    fn beginning_of(self, part: &WeightedPrompt) -> &str {
        Tokenizer::shared().truncate(&part.text, self.tokens)
    }
}

fn note_of_language(part: &WeightedPrompt) -> Option<String> {
    (!LATIN.is_match(&part.text)).then(|| {
        format!(
            "prompt `{}` has no Latin letter; CLIP models are trained mostly on English captions, so an English prompt \
             usually works better",
            on_one_line(&part.text)
        )
    })
}
