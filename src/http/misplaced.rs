//! Inputs in the body of a request that are not directly in `input`, where they would be ignored.
//!
//! Cog ignores unknown fields. A request whose inputs are in the wrong place would therefore be drawn with
//! the defaults, for minutes and without a warning. So a field that is meant as an input, or as `input`
//! itself, is an error here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cog::Detail;
use crate::inputs::{self, FIELDS};
use crate::suggest::suggest;

/// The field that holds the inputs.
const INPUT: &str = "input";

/// Fields that may be beside `input`: those of Cog's requests and responses, and of Replicate's API,
/// whose clients may send back what they have received.
const OTHER_FIELDS: &[&str] = &[
    "completed_at",
    "context",
    "created_at",
    "data_removed",
    "deployment",
    "error",
    "id",
    "logs",
    "metrics",
    "model",
    "output",
    "output_file_prefix",
    "source",
    "started_at",
    "status",
    "stream",
    "urls",
    "version",
    "webhook",
    "webhook_completed",
    "webhook_events_filter",
    "webhook_output",
];

/// What to do instead.
const ADVICE: &str = r#"put the inputs under `input`, as in {"input": {"prompt": "a cat"}}"#;

/// The maximum number of errors; more would only repeat the reason.
const MAX_REPORTED: usize = 5;

/// The maximum number of unknown names that are compared with known ones.
const MAX_COMPARED: usize = 50;

/// The maximum length of a name that is compared and repeated, in characters.
const MAX_NAME_LENGTH: usize = 60;

/// The misplaced inputs, in the order of the body.
#[derive(Debug, Default)]
pub(super) struct MisplacedInputs {
    errors: Vec<Detail>,
    compared: usize,
    /// Whether `input` is there and not `null`.
    has_input: bool,
    /// The first unknown field that holds inputs, as `{"parameters": {"prompt": ...}}`.
    wrapper: Option<String>,
    /// The same in `input`, if that has no inputs itself, as `{"input": {"input": {"prompt": ...}}}`.
    inner_wrapper: Option<String>,
}

impl MisplacedInputs {
    /// Finds the misplaced inputs of a body that has already been parsed as a request.
    pub(super) fn find(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The errors to answer with.
    pub(super) fn into_errors(mut self) -> Vec<Detail> {
        if let Some(name) = &self.inner_wrapper {
            let message = format!(
                "`{name}` is not an input, and the inputs in it would be ignored; {ADVICE}"
            );
            self.errors.push(Detail::input(name, message));
        }
        if let (true, false, Some(name)) = (self.errors.is_empty(), self.has_input, &self.wrapper) {
            let message = format!(
                "`{name}` is not a field of a request, and the inputs in it would be ignored; {ADVICE}"
            );
            self.errors.push(Detail::body(name, message));
        }
        self.errors
    }

    /// Checks an unknown field.
    fn add(&mut self, name: &str, holds_inputs: bool) {
        let is_input = inputs::find(name).is_some();
        let is_compared = self.compared < MAX_COMPARED;
        self.compared += 1;
        if self.errors.len() == MAX_REPORTED || !(is_input || is_compared) {
            return;
        }
        let name: String = name.chars().take(MAX_NAME_LENGTH).collect();
        let known = FIELDS.iter().map(|field| field.name);
        if is_input {
            let message = format!("`{name}` is an input; {ADVICE}");
            self.errors.push(Detail::body(&name, message));
        } else if let Some(meant) = suggest(name.trim(), known.chain([INPUT])) {
            let message = format!("unknown field, did you mean `{meant}`? {ADVICE}");
            self.errors.push(Detail::body(&name, message));
        } else if holds_inputs {
            self.wrapper.get_or_insert(name);
        }
    }
}

impl<'de> Deserialize<'de> for MisplacedInputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for MisplacedInputs {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the body of a request")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if name == INPUT {
                let value: Option<FieldValue> = members.next_value()?;
                self.has_input = value.is_some();
                let wrapped = value.filter(|value| !value.has_inputs);
                self.inner_wrapper = wrapped.and_then(|value| value.wrapper);
            } else if OTHER_FIELDS.contains(&name.as_str()) {
                members.next_value::<IgnoredAny>()?;
            } else {
                let value: FieldValue = members.next_value()?;
                self.add(&name, value.holds_inputs());
            }
        }
        Ok(self)
    }

    /// Cog also accepts an array of the fields' values, which has no names.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

/// The value of a field; its contents are not kept.
#[derive(Debug, Default)]
struct FieldValue {
    /// Whether it is an object with an input, or a list of such objects.
    has_inputs: bool,
    /// Whether it is an object with `input`, or a list of such objects.
    has_input_field: bool,
    /// The first field of an object that is not an input and holds inputs.
    wrapper: Option<String>,
}

impl FieldValue {
    fn holds_inputs(&self) -> bool {
        self.has_inputs || self.has_input_field
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for FieldValue {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any valid JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if inputs::find(&name).is_some() {
                self.has_inputs = true;
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            self.has_input_field |= name == INPUT;
            let value: Self = members.next_value()?;
            if self.wrapper.is_none() && value.holds_inputs() {
                self.wrapper = Some(name.chars().take(MAX_NAME_LENGTH).collect());
            }
        }
        Ok(self)
    }

    /// A list whose items all hold inputs holds them too, as `instances` of other servers' requests.
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self, A::Error> {
        let (mut count, mut with_inputs) = (0, 0);
        while let Some(item) = items.next_element::<Self>()? {
            count += 1;
            with_inputs += usize::from(item.holds_inputs());
        }
        self.has_inputs = count > 0 && count == with_inputs;
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that the errors are about.
    fn fields(body: &str) -> Vec<String> {
        let errors = MisplacedInputs::find(body.as_bytes()).into_errors();
        for error in &errors {
            assert!(
                error.msg.contains("put the inputs under `input`"),
                "{}",
                error.msg
            );
            assert_eq!(error.loc[0], "body");
        }
        errors
            .into_iter()
            .map(|error| error.loc[1].clone())
            .collect()
    }

    #[test]
    fn inputs_beside_input_are_found_however_they_are_spelled() {
        for (body, found) in [
            (
                r#"{"prompt": "a cat", "num_paths": 4}"#,
                vec!["prompt", "num_paths"],
            ),
            (r#"{"inputs": {"prompt": "a cat"}}"#, vec!["inputs"]),
            (r#"{"Input": {}}"#, vec!["Input"]),
            (r#"{"imput": null}"#, vec!["imput"]),
            (r#"{"input ": {}}"#, vec!["input "]),
            (r#"{"promt": "a cat"}"#, vec!["promt"]),
            (r#"{"Prompt": "a cat"}"#, vec!["Prompt"]),
            (r#"{"output_format": "png"}"#, vec!["output_format"]),
            (r#"{"input": {"prompt": "a"}, "seed": 7}"#, vec!["seed"]),
            (
                r#"{"input": {}, "inputs": {"prompt": "a"}}"#,
                vec!["inputs"],
            ),
            (r#"{"parameters": {"prompt": "a"}}"#, vec!["parameters"]),
            (
                r#"{"prediction": {"input": {"prompt": "a"}}}"#,
                vec!["prediction"],
            ),
            (r#"{"instances": [{"prompt": "a"}]}"#, vec!["instances"]),
            (
                r#"{"instances": [{"input": {}}, {"seed": 1}]}"#,
                vec!["instances"],
            ),
            (r#"{"input": {"input": {"prompt": "a"}}}"#, vec!["input"]),
            (r#"{"input": {"data": {"seed": 1}}}"#, vec!["input"]),
            (r#"{"input": {"instances": [{"seed": 1}]}}"#, vec!["input"]),
        ] {
            assert_eq!(fields(body), found, "{body}");
        }
    }

    #[test]
    fn fields_of_cog_and_other_unknown_fields_are_not_errors() {
        for body in [
            "{}",
            r#"{"input": null}"#,
            r#"["id", {"prompt": "a"}]"#,
            r#"{"zzz": [1, {"prompt": 2}], "customer": {"name": "x", "age": -1.5}, "x": true, "y": null}"#,
            r#"{"input": {"prompt": "a"}, "metadata": {"prompt": "a"}}"#,
            r#"{"input": {"prompt": "a", "metadata": {"prompt": "a"}}}"#,
            r#"{"input": {"nope": {"name": 1}, "more": [[], {}, [1]]}}"#,
            r#"{"input": [{"prompt": "a"}]}"#,
        ] {
            assert_eq!(fields(body), [""; 0], "{body}");
        }
        for field in OTHER_FIELDS {
            assert_eq!(fields(&format!(r#"{{"{field}": 1}}"#)), [""; 0], "{field}");
        }
    }

    #[test]
    fn very_many_and_very_long_names_are_handled_cheaply() {
        let names: Vec<_> = (0..20_000)
            .map(|index| format!(r#""p{index}": 0"#))
            .collect();
        let long = "prompt".repeat(100_000);
        let body = format!(r#"{{"{long}": 0, {}, "prompt": 0}}"#, names.join(","));
        let errors = MisplacedInputs::find(body.as_bytes()).into_errors();
        assert_eq!(errors.last().unwrap().loc[1], "prompt");
        assert!(errors.iter().all(|error| error.msg.len() < 300));
    }
}
