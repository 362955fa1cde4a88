//! The OpenAPI documents: the one that Cog's generator would write for the inputs, and a complete one
//! of this server.
//!
//! The parts that do not depend on the inputs are files in this folder: `cog.json` is what Cog's
//! generator writes for every predictor that streams files, `beyond.json` is what this server adds.

mod inputs;

use serde_json::{Map, Value};

use crate::inputs::{FIELDS, Kind};

/// The version of Cog whose protocol the server speaks.
pub const COG_VERSION: &str = "0.23.1";

/// The document of Cog (OpenAPI 3.0.2), with the keys of all objects sorted. A container image contains
/// it as a label and as a file, and the server returns it as `/openapi.json`.
pub fn document() -> Value {
    let mut document = cog();
    document.sort_all_objects();
    document
}

/// The document of the whole server: [`document`] with additional paths, request fields, response formats
/// and status codes.
pub fn complete_document() -> Value {
    let mut document = cog();
    let properties = &mut document["components"]["schemas"]["Input"]["properties"];
    for field in FIELDS {
        // The server treats `null` as an absent input.
        properties[field.name]["nullable"] = true.into();
        properties[field.name]["x-group"] = field.group.title().into();
        if matches!(field.kind, Kind::Text { .. }) {
            properties[field.name]["pattern"] = r"\S".into();
        }
    }
    merge(&mut document, embedded(include_str!("beyond.json")));
    let schemas = &mut document["components"]["schemas"];
    // Copies: generators of clients follow no references into other schemas.
    let mut once = schemas["PredictionRequest"]["properties"].clone();
    if let Some(properties) = once.as_object_mut() {
        properties.shift_remove("id");
    }
    schemas["PredictionOnceRequest"]["properties"] = once;
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document
}

fn cog() -> Value {
    let mut document = embedded(include_str!("cog.json"));
    document["info"]["version"] = COG_VERSION.into();
    let components = &mut document["components"]["schemas"];
    components["Input"] = inputs::schema();
    for (name, component) in inputs::choices() {
        components[name] = component;
    }
    document
}

fn embedded(text: &str) -> Value {
    serde_json::from_str(text).expect("the embedded files are JSON, as the tests check")
}

/// Applies a JSON merge patch (RFC 7386) to `target`: members are added or replaced, and
/// `null` removes one.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if let (true, Some(members)) = (value.is_null(), target.as_object_mut()) {
            members.shift_remove(&key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
