//! Any text as a list of weighted prompts, and each of them through the tokenizer.

use clipdraw::clip::Tokenizer;
use clipdraw::inputs::prompt::{MAX_PROMPTS, MAX_WEIGHT, parse_prompts};

/// The number of tokens that CLIP has.
const VOCABULARY: i64 = 49_408;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let prompts = match parse_prompts(text) {
        Ok(prompts) => prompts,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let is_blank = text.trim().is_empty();
    assert!(prompts.len() <= MAX_PROMPTS && prompts.is_empty() == is_blank);
    for prompt in prompts {
        assert!(!prompt.text.is_empty() && prompt.weight.abs() <= MAX_WEIGHT);
        let ids = Tokenizer::shared().encode(&prompt.text);
        let [start, middle @ .., end] = ids.as_slice() else {
            panic!("a text begins with the start token and ends with the end token");
        };
        assert_eq!([*start, *end], [VOCABULARY - 2, VOCABULARY - 1]);
        assert!(middle.iter().all(|id| (0..VOCABULARY).contains(id)));
    }
}
