//! Any bytes as the JSON object of inputs: they are refused with a reason, or every value is allowed.

use clipdraw::inputs::{FIELDS, Input};
use serde_json::Value;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(Value::Object(raw)) = serde_json::from_slice(bytes) else {
        return;
    };
    match Input::from_values(&raw) {
        Ok(input) => {
            assert!(FIELDS.iter().all(|field| {
                let value = input.values().get(field.name);
                field
                    .kind
                    .violations(value.unwrap_or(&Value::Null))
                    .is_empty()
            }));
            let spec = input.spec();
            let has_prompt =
                !spec.prompts.is_empty() || input.values().contains_key("image_prompt");
            assert!(has_prompt && spec.strokes > 0 && spec.steps > 0);
            let again = Input::from_values(input.values());
            assert_eq!(again.as_ref(), Ok(&input), "checked inputs are inputs");
        }
        Err(errors) => assert!(!errors.0.is_empty() && !errors.to_string().is_empty()),
    }
}
