//! A drawing, written as SVG.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/svg.rs"]
mod svg;

fuzz_target!(|bytes: &[u8]| svg::check(bytes));
