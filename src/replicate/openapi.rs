//! The OpenAPI document of `/v1`, and the one that describes a model's inputs and output.

use serde_json::{Value, json};

use crate::cog::openapi::{complete_document, document};
use crate::service::OutputShape;

/// The paths and the components that do not depend on the inputs.
const DOCUMENT: &str = include_str!("openapi.json");

/// The document of everything under `/v1`.
pub fn replicate_document() -> Value {
    let mut document: Value =
        serde_json::from_str(DOCUMENT).expect("the embedded file is JSON, as the tests check");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let complete = complete_document();
    let inputs = complete["components"]["schemas"]
        .as_object()
        .expect("a document has schemas");
    let input = &inputs["Input"];
    document["components"]["schemas"]["Input"] = input.clone();
    let choices = input["properties"].as_object().into_iter().flatten();
    for (name, property) in choices {
        if property.get("allOf").is_some() {
            document["components"]["schemas"][name] = inputs[name].clone();
        }
    }
    document
}

/// The document of a model, as Cog's generator writes it for a predictor with that output.
pub fn model_schema(output: OutputShape) -> Value {
    let mut document = document();
    if output == OutputShape::FinishedDrawing {
        document["components"]["schemas"]["Output"] =
            json!({ "title": "Output", "type": "string", "format": "uri" });
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_differ_in_their_output_only() {
        let [all, mut one] =
            [OutputShape::AllFiles, OutputShape::FinishedDrawing].map(model_schema);
        assert_eq!(all["components"]["schemas"]["Output"]["type"], "array");
        assert_eq!(one["components"]["schemas"]["Output"]["type"], "string");
        one["components"]["schemas"]["Output"] = all["components"]["schemas"]["Output"].clone();
        assert_eq!(one, all);
    }
}
