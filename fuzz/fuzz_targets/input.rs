//! Any bytes as the JSON object of inputs: they are refused with a reason, or every value is allowed.
#![no_main]

use clipdraw::inputs::{FIELDS, Input};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Value::Object(raw)) = serde_json::from_slice(bytes) else {
        return;
    };
    match Input::from_values(&raw) {
        Ok(input) => {
            assert!(FIELDS.iter().all(|field| {
                field
                    .kind
                    .violations(&input.values()[field.name])
                    .is_empty()
            }));
            let spec = input.spec();
            assert!(!spec.prompts.is_empty() && spec.strokes > 0 && spec.steps > 0);
        }
        Err(errors) => assert!(!errors.0.is_empty() && !errors.to_string().is_empty()),
    }
});
