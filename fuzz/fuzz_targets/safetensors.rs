//! A weight file in the safetensors format.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/safetensors.rs"]
mod safetensors;
#[path = "../properties/weights.rs"]
mod weights;

fuzz_target!(|bytes: &[u8]| safetensors::check(bytes));
