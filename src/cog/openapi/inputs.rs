//! The schema of the inputs, as Cog's generator writes it for a predictor with the same inputs.

use serde_json::{Map, Value, json};

use crate::inputs::{COLOR_PATTERN, COLORS_PATTERN, PAPER_PATTERN, shortest_number};
use crate::inputs::{FIELDS, Field, Kind};

/// The component `Input`.
pub(super) fn schema() -> Value {
    let properties: Map<_, _> = FIELDS
        .iter()
        .enumerate()
        .map(|(order, field)| (field.name.to_owned(), property(field, order)))
        .collect();
    json!({"title": "Input", "type": "object", "properties": properties})
}

/// One component for each input that is a choice, by the input's name.
pub(super) fn choices() -> Map<String, Value> {
    FIELDS
        .iter()
        .filter_map(|field| match field.kind {
            Kind::Choice { choices, .. } => Some((
                field.name.to_owned(),
                json!({
                    "title": field.name,
                    "description": "An enumeration.",
                    "enum": choices,
                    "type": "string",
                }),
            )),
            _ => None,
        })
        .collect()
}

fn property(field: &Field, order: usize) -> Value {
    let mut property = limits(field);
    if !matches!(field.kind, Kind::Choice { .. }) {
        property["title"] = title(field.name).into();
    }
    let default = field.kind.default_value();
    if default.is_none() {
        property["nullable"] = true.into();
    }
    property["default"] = default.map_or(Value::Null, |default| match default.as_f64() {
        Some(number) => shortest_number(number),
        None => default,
    });
    property["description"] = field.description.into();
    property["x-order"] = order.into();
    property
}

fn limits(field: &Field) -> Value {
    match field.kind {
        Kind::Text { max_length, .. } => {
            json!({"type": "string", "maxLength": max_length})
        }
        Kind::Integer { min, max, .. } => {
            json!({"type": "integer", "minimum": min, "maximum": max})
        }
        Kind::Number { min, max, .. } => {
            json!({"type": "number", "minimum": shortest_number(min), "maximum": shortest_number(max)})
        }
        Kind::Boolean { .. } => json!({"type": "boolean"}),
        Kind::Color { or_none: true, .. } => json!({"type": "string", "pattern": PAPER_PATTERN}),
        Kind::Color { .. } => json!({"type": "string", "pattern": COLOR_PATTERN}),
        Kind::Colors { .. } => json!({"type": "string", "pattern": COLORS_PATTERN}),
        Kind::File { .. } => json!({"type": "string", "format": "uri"}),
        Kind::Choice { .. } => {
            let component = format!("#/components/schemas/{}", field.name);
            json!({"allOf": [{"$ref": component}]})
        }
    }
}

/// `num_paths` as `Num Paths`.
fn title(name: &str) -> String {
    let words: Vec<String> = name
        .split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect();
    words.join(" ")
}
