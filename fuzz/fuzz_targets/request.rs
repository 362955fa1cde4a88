//! The body of a request for a prediction.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties/request.rs"]
mod request;

fuzz_target!(|bytes: &[u8]| request::check(bytes));
