//! Any text as a list of weighted prompts, and each of them through the tokenizer.
#![no_main]

use clipdraw::clip::Tokenizer;
use clipdraw::inputs::prompt::{MAX_PROMPTS, MAX_WEIGHT, parse_prompts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(prompts) = parse_prompts(text) else {
        return;
    };
    assert!((1..=MAX_PROMPTS).contains(&prompts.len()));
    for prompt in prompts {
        assert!(!prompt.text.is_empty() && prompt.weight.abs() <= MAX_WEIGHT);
        let ids = Tokenizer::shared().encode(&prompt.text);
        assert!(ids.len() >= 2 && ids.iter().all(|id| (0..49_408).contains(id)));
    }
});
