//! The pickle in a PyTorch file.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/pickle.rs"]
mod pickle;
#[path = "../properties/weights.rs"]
mod weights;

fuzz_target!(|bytes: &[u8]| pickle::check(bytes));
