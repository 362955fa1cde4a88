//! One entry of the list with which a request is refused over HTTP, in the form of Cog's server.

use serde::Serialize;
use serde_json::Value;

use crate::inputs::field::Field;
use crate::inputs::quote::Quote;
use crate::inputs::violation::Violation;

/// What is wrong with one part of a request: `{"loc": ["body", "input", "seed"], "msg": "…",
/// "type": "value_error", "ctx": {"allowed": "…"}}`. Cog knows no `ctx`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// Where in the request.
    pub loc: Vec<String>,
    /// What is wrong there.
    pub msg: String,
    /// The kind of error.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What would be right, where one can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Context>,
}

/// More about an error than its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context {
    /// What is allowed, in words that follow "must be".
    pub allowed: String,
}

impl Detail {
    /// An input that is refused for `message`.
    pub fn input(name: &str, message: String) -> Self {
        let mut detail = Self::at(&["body", "input", name], message);
        detail.ctx = Field::named(name).map(|field| Context {
            allowed: field.allowed(),
        });
        detail
    }

    /// The request's `input` is no object; `input` is what it is instead.
    pub fn root(input: &Value) -> Self {
        let message = Violation::NotOfType("object").message(&Quote::of(input));
        Self::at(&["body", "input", "__root__"], message)
    }

    /// The `id` in the body of a PUT is not that in its path; `what` is a prediction or a training.
    pub fn id_mismatch(what: &str) -> Self {
        let message = format!("{what} ID must match the ID supplied in the URL");
        Self::body("id", message)
    }

    /// A field beside `input` that is refused for `message`.
    pub fn body(field: &str, message: impl Into<String>) -> Self {
        Self::at(&["body", field], message.into())
    }

    fn at(place: &[&str], msg: String) -> Self {
        Self {
            loc: place.iter().copied().map(str::to_owned).collect(),
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

    #[test]
    fn entries_about_the_request_read_as_cogs() {
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
}
