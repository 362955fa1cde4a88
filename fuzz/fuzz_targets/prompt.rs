//! A list of weighted prompts.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/prompt.rs"]
mod prompt;

fuzz_target!(|bytes: &[u8]| prompt::check(bytes));
