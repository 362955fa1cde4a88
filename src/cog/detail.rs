//! One error of an invalid request, in the format of Cog's server.

use serde::Serialize;
use serde_json::Value;

use super::message::message;
use crate::inputs::{self, InputError, InputErrors, Problem, Quote, Violation};

/// What is wrong with one part of a request: `{"loc": ["body", "input", "seed"], "msg": "…",
/// "type": "value_error", "ctx": {"allowed": "…"}}`. Cog has no `ctx`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The path of the part in the request.
    pub loc: Vec<String>,
    /// What is wrong with it.
    pub msg: String,
    /// The kind of error.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is allowed, if it can be described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<DetailContext>,
}

/// Details of an error besides its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetailContext {
    /// What is allowed, in words that follow "must be".
    pub allowed: String,
}

impl Detail {
    /// The errors of inputs, in the order of Cog's server: by the name of the input.
    pub fn of_inputs(errors: &InputErrors) -> Vec<Self> {
        let mut errors: Vec<_> = errors.0.iter().collect();
        errors.sort_by_key(|error| &error.field);
        errors.into_iter().flat_map(Self::of_input).collect()
    }

    /// One error for each limit, with the message of Cog's server. For a rule that Cog cannot express,
    /// one error with this server's own message.
    fn of_input(error: &InputError) -> Vec<Self> {
        let messages = match &error.problem {
            Problem::Limits {
                value, violations, ..
            } => violations
                .iter()
                .map(|violation| message(*violation, value))
                .collect(),
            problem => vec![problem.to_string()],
        };
        messages
            .into_iter()
            .map(|message| Self::input(&error.field, message))
            .collect()
    }

    /// An input that is not allowed because of `message`.
    pub fn input(name: &str, message: String) -> Self {
        let mut detail = Self::at(&["body", "input", name], message);
        detail.ctx = inputs::find(name).map(|field| DetailContext {
            allowed: field.kind.allowed(),
        });
        detail
    }

    /// The request's `input` is not an object; `input` is what it is instead.
    pub fn root(input: &Value) -> Self {
        let message = message(Violation::NotOfType("object"), &Quote::of(input));
        Self::at(&["body", "input", "__root__"], message)
    }

    /// The `id` in the body of a PUT differs from the one in its path; `what` is a prediction or a
    /// training.
    pub fn id_mismatch(what: &str) -> Self {
        let message = format!("{what} ID must match the ID supplied in the URL");
        Self::body("id", message)
    }

    /// A field besides `input` that is not allowed because of `message`.
    pub fn body(field: &str, message: impl Into<String>) -> Self {
        Self::at(&["body", field], message.into())
    }

    /// A parameter of the query that is not allowed because of `message`.
    pub fn query(name: &str, message: impl Into<String>) -> Self {
        Self::at(&["query", name], message.into())
    }

    /// A header that is not allowed because of `message`.
    pub fn header(name: &str, message: impl Into<String>) -> Self {
        Self::at(&["header", name], message.into())
    }

    fn at(location: &[&str], msg: String) -> Self {
        Self {
            loc: location.iter().copied().map(str::to_owned).collect(),
            msg,
            kind: "value_error",
            ctx: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inputs::Input;

    #[test]
    fn errors_of_the_request_are_those_of_cogs_server() {
        assert_eq!(
            json!([Detail::root(&json!("str")), Detail::root(&json!([1]))]),
            json!([
                {"loc": ["body", "input", "__root__"], "msg": "\"str\" is not of type \"object\"", "type": "value_error"},
                {"loc": ["body", "input", "__root__"], "msg": "[1] is not of type \"object\"", "type": "value_error"},
            ])
        );
        assert_eq!(
            json!(Detail::id_mismatch("prediction")),
            json!({"loc": ["body", "id"], "msg": "prediction ID must match the ID supplied in the URL", "type": "value_error"})
        );
        assert_eq!(
            json!(Detail::body("webhook", "is refused"))["loc"],
            json!(["body", "webhook"])
        );
    }

    #[test]
    fn a_rule_beyond_the_schema_has_the_same_message_on_the_command_line_and_over_http() {
        for raw in [
            json!({"prompt": "\t "}),
            json!({"prompt": "a:11"}),
            json!({"prompt": "very ".repeat(100)}),
            json!({"min_stroke_width": 200}),
        ] {
            let errors = Input::from_request(raw.as_object().unwrap()).unwrap_err();
            let details = Detail::of_inputs(&errors);
            assert_eq!(details.len(), 1, "{raw}");
            assert_eq!(
                format!("{}: {}", details[0].loc[2], details[0].msg),
                errors.to_string()
            );
        }
    }
}
