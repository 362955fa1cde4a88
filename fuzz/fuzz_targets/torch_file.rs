//! A whole PyTorch file.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/torch_file.rs"]
mod torch_file;
#[path = "../properties/weights.rs"]
mod weights;

fuzz_target!(|bytes: &[u8]| torch_file::check(bytes));
