//! The JSON object of inputs.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/input.rs"]
mod input;

fuzz_target!(|bytes: &[u8]| input::check(bytes));
