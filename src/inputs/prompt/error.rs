//! Why a text is not a list of weighted prompts.

/// The maximum number of prompts in one text.
pub const MAX_PROMPTS: usize = 16;

/// The maximum of a prompt's weight, and minus its minimum.
pub const MAX_WEIGHT: f32 = 10.0;

/// The maximum length of a prompt that an error repeats, in characters.
pub(super) const MAX_QUOTE: usize = 40;

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
        "the weight {weight} after `{text}` must be a number from -{MAX_WEIGHT} to {MAX_WEIGHT}"
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

/// A text, cut off with an ellipsis if it is long.
pub(super) fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
