//! A file that a caller gives, read as strokes and as a picture.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/import.rs"]
mod import;

fuzz_target!(|bytes: &[u8]| import::check(bytes));
