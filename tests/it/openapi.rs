//! The inputs in JSON: the OpenAPI documents, and the responses to wrong inputs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clipdraw::cog::{Detail, openapi};
use clipdraw::inputs::{FIELDS, Field, Input, InputErrors, Kind, Problem};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn data(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/it/data").join(name)
}

/// What Cog's generator wrote for a predictor with other inputs, which streams files as ours does.
fn real() -> Value {
    let text = std::fs::read_to_string(data("cog-openapi-real.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the switch that accepts golden files is for tests alone"
)]
fn assert_golden(name: &str, document: &Value) {
    let text = format!("{document:#}\n");
    if std::env::var_os("CLIPDRAW_UPDATE_GOLDEN").is_some() {
        std::fs::write(data(name), text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(data(name)).unwrap();
    assert!(
        text == expected,
        "{name} has changed; if that is meant, run CLIPDRAW_UPDATE_GOLDEN=1 scripts/test openapi"
    );
}

#[test]
fn the_documents_are_the_ones_that_were_reviewed() {
    assert_golden("openapi.json", &openapi::document());
    assert_golden("openapi-complete.json", &openapi::complete_document());
}

fn schemas(document: &Value) -> &Map<String, Value> {
    document["components"]["schemas"].as_object().unwrap()
}

#[test]
fn the_rest_of_the_document_is_what_cogs_generator_writes() {
    let strip = |mut document: Value| {
        for name in [
            "Input",
            "animation",
            "animation_style",
            "ink",
            "output_format",
            "recipe",
            "region_shape",
            "scheduler",
            "width",
        ] {
            let schemas = document["components"]["schemas"].as_object_mut();
            schemas.unwrap().remove(name);
        }
        document["info"]["version"] = Value::Null;
        document.sort_all_objects();
        document
    };
    assert_eq!(
        format!("{:#}", strip(openapi::document())),
        format!("{:#}", strip(real()))
    );
    assert_eq!(openapi::document()["info"]["version"], openapi::COG_VERSION);
}

fn keys(value: &Value) -> BTreeSet<&str> {
    let members = value.as_object().unwrap();
    members.keys().map(String::as_str).collect()
}

/// The input of the real document that is of the same kind, and the limits that it lacks.
fn model(field: &Field) -> (&'static str, &'static [&'static str]) {
    match field.kind {
        Kind::Text { .. } => ("negative_prompt", &["maxLength"]),
        Kind::Integer { default: None, .. } => ("seed", &["minimum", "maximum"]),
        Kind::Integer { .. } => ("num_outputs", &[]),
        Kind::Number { default: None, .. } => ("guidance_scale", &["nullable"]),
        Kind::Number { .. } => ("guidance_scale", &[]),
        Kind::Boolean { .. } => ("disable_safety", &["description"]),
        Kind::Color { default: None, .. } | Kind::Colors { .. } => {
            ("negative_prompt", &["nullable", "pattern"])
        }
        Kind::Color { .. } => ("negative_prompt", &["pattern"]),
        Kind::Choice { .. } => ("scheduler", &[]),
        Kind::File { .. } => ("image", &[]),
    }
}

#[test]
fn every_input_is_described_as_cogs_generator_describes_its_kind() {
    let (ours, real) = (openapi::document(), real());
    let [ours, real] = [&ours, &real].map(schemas);
    let mut extent = keys(&real["Input"]);
    extent.remove("required");
    assert_eq!(keys(&ours["Input"]), extent, "no input is required");
    for (order, field) in FIELDS.iter().enumerate() {
        let property = &ours["Input"]["properties"][field.name];
        let (name, limits) = model(field);
        let twin = &real["Input"]["properties"][name];
        let expected = keys(twin).into_iter().chain(limits.iter().copied());
        assert_eq!(keys(property), expected.collect(), "{}", field.name);
        assert_eq!(property["x-order"], order);
        assert_eq!(property["type"], twin["type"], "{}", field.name);
        let is_nullable = twin["nullable"] == true || limits.contains(&"nullable");
        assert_eq!(property["nullable"] == true, is_nullable, "{}", field.name);
        if matches!(field.kind, Kind::Choice { .. }) {
            assert_eq!(keys(&ours[field.name]), keys(&real[name]));
            let component = format!("#/components/schemas/{}", field.name);
            assert_eq!(property["allOf"], json!([{"$ref": component}]));
        }
    }
    assert_eq!(
        ours["Input"]["properties"].as_object().unwrap().len(),
        FIELDS.len()
    );
}

/// Whether `whole` is `part` with more members here and there, and perhaps other descriptions.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(key, value)| {
            let other = whole.get(key);
            other.is_some_and(|other| key == "description" || is_within(value, other))
        }),
        (part, whole) => part == whole,
    }
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(target) if key == "$ref" => vec![target],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_complete_document_contains_all_of_cogs_and_every_reference_resolves() {
    let complete = openapi::complete_document();
    let mut document = openapi::document();
    // Cog's schema has no words for an `input` that may be null.
    let request = &mut document["components"]["schemas"]["PredictionRequest"]["properties"];
    assert_eq!(
        request["input"].take(),
        json!({"$ref": "#/components/schemas/Input"})
    );
    request.as_object_mut().unwrap().remove("input");
    for part in ["paths", "components"] {
        assert!(is_within(&document[part], &complete[part]), "{part}");
    }
    let targets = references(&complete);
    assert!(targets.len() > 50);
    for target in targets {
        let place = target.strip_prefix('#').unwrap();
        assert!(complete.pointer(place).is_some(), "{target}");
    }
}

#[test]
fn every_operation_of_the_complete_document_has_a_unique_name_and_says_who_may_call_it() {
    let complete = openapi::complete_document();
    let mut names = BTreeSet::new();
    for (path, item) in complete["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name}");
            let public = operation["security"] == json!([]);
            let answers = keys(&operation["responses"]);
            assert_eq!(public, !answers.contains("401"), "{method} {path}");
        }
    }
    assert_eq!(names.len(), 12);
}

/// A validator of one component; references in it are resolved.
fn validator(document: &Value, component: &str) -> jsonschema::Validator {
    let schema = json!({
        "$ref": format!("#/components/schemas/{component}"),
        "components": document["components"],
    });
    jsonschema::validator_for(&schema).unwrap()
}

/// Place and message of every error, as Cog's server makes its entries of them.
fn verdict_of_cog(validator: &jsonschema::Validator, input: &Value) -> Vec<(String, String)> {
    validator
        .iter_errors(input)
        .map(|error| {
            let field = error.instance_path.to_string();
            (field.trim_start_matches('/').to_owned(), error.to_string())
        })
        .collect()
}

fn verdict(errors: &InputErrors) -> Vec<(String, String)> {
    let details = Detail::of_inputs(errors).into_iter();
    details
        .map(|detail| {
            assert_eq!((detail.kind, detail.loc.len()), ("value_error", 3));
            assert_eq!(detail.loc[..2], ["body", "input"]);
            (detail.loc[2].clone(), detail.msg)
        })
        .collect()
}

fn breaks_a_limit(errors: &InputErrors) -> bool {
    errors
        .0
        .iter()
        .any(|error| matches!(error.problem, Problem::Limits { .. }))
}

/// Any JSON but `null`, often near what some input allows.
fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3..3000_i64).prop_map(Value::from),
        (-3..3000_i64).prop_map(|number| Value::from(number as f64)),
        (-1.5..12.0).prop_map(|number: f64| Value::from(number)),
        prop::num::f64::NORMAL.prop_map(Value::from),
    ];
    let text = prop_oneof![
        ".{0,20}".prop_map(Value::from),
        "#[0-9a-fA-F]{2,7}".prop_map(Value::from),
        "svg|png|gif|".prop_map(Value::from),
    ];
    let simple = prop_oneof![number, text, any::<bool>().prop_map(Value::from)];
    let small = prop::collection::vec(simple.clone(), 0..3);
    let members = prop::collection::btree_map("[a-c]", simple.clone(), 0..3);
    prop_oneof![
        8 => simple,
        1 => small.prop_map(Value::from),
        1 => members.prop_map(|members| json!(members)),
    ]
}

fn input() -> impl Strategy<Value = Map<String, Value>> {
    let name = (0..FIELDS.len()).prop_map(|index| FIELDS[index].name.to_owned());
    prop::collection::btree_map(name, value(), 1..4)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The crate is the one inside Cog's server, in the same version.
    #[test]
    fn the_schema_and_the_checks_agree_on_every_input_and_every_message(raw in input()) {
        static COG: std::sync::LazyLock<jsonschema::Validator> =
            std::sync::LazyLock::new(|| validator(&openapi::document(), "Input"));
        let expected = verdict_of_cog(&COG, &raw.clone().into());
        match Input::from_request(&raw) {
            Err(errors) if breaks_a_limit(&errors) => {
                // A rule beyond the schema may be broken as well.
                let mut found = verdict(&errors);
                found.retain(|entry| !entry.1.contains(" is not allowed; "));
                prop_assert_eq!(found, expected);
            }
            _ => prop_assert_eq!(Vec::<(String, String)>::new(), expected),
        }
    }
}

/// What a server of Cog 0.23.1 with this document answered.
const ANSWERS: &str = r##"[
    [{"num_paths": "2"}, {"num_paths": ["\"2\" is not of type \"integer\""]}],
    [{"num_paths": 0}, {"num_paths": ["0 is less than the minimum of 1"]}],
    [{"num_paths": 2.5}, {"num_paths": ["2.5 is not of type \"integer\""]}],
    [{"num_paths": 1e9}, {"num_paths": ["1000000000.0 is greater than the maximum of 2048"]}],
    [{"num_paths": 0.5}, {"num_paths": ["0.5 is less than the minimum of 1", "0.5 is not of type \"integer\""]}],
    [{"num_paths": {"b": 1, "a": [2, null]}}, {"num_paths": ["{\"a\":[2,null],\"b\":1} is not of type \"integer\""]}],
    [{"num_paths": true}, {"num_paths": ["true is not of type \"integer\""]}],
    [{"seed": 9007199254740992}, {"seed": ["9007199254740992 is greater than the maximum of 9007199254740991"]}],
    [{"seed": 123456789012345678901234567890}, {"seed": ["1.2345678901234568e+29 is greater than the maximum of 9007199254740991"]}],
    [{"min_stroke_width": 0.05}, {"min_stroke_width": ["0.05 is less than the minimum of 0.1"]}],
    [{"centre_x": "x"}, {"centre_x": ["\"x\" is not of type \"number\""]}],
    [{"image_prompt": 5}, {"image_prompt": ["5 is not of type \"string\""]}],
    [{"prompt": 5}, {"prompt": ["5 is not of type \"string\""]}],
    [{"background": "x\"y\\z\u0000"}, {"background": ["\"x\\\"y\\\\z\\u0000\" does not match \"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$|^none$\""]}],
    [{"background": "#fff\n"}, {"background": ["\"#fff\\n\" does not match \"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$|^none$\""]}],
    [{"output_format": "gif"}, {"output_format": ["\"gif\" is not one of [\"svg\",\"png\"]"]}],
    [{"seed": -1, "output_format": 1, "zzz": 1, "background": 7}, {
        "background": ["7 is not of type \"string\""],
        "output_format": ["1 is not one of [\"svg\",\"png\"]", "1 is not of type \"string\""],
        "seed": ["-1 is less than the minimum of 0"]
    }]
]"##;

#[test]
fn wrong_inputs_get_the_response_of_cogs_server() {
    let answers: Vec<(Map<String, Value>, Map<String, Value>)> =
        serde_json::from_str(ANSWERS).unwrap();
    for (raw, answer) in answers {
        let expected: Vec<_> = answer
            .iter()
            .flat_map(|(field, messages)| {
                let messages = messages.as_array().unwrap().iter();
                messages.map(|message| (field.clone(), message.as_str().unwrap().to_owned()))
            })
            .collect();
        let errors = Input::from_request(&raw).unwrap_err();
        assert_eq!(verdict(&errors), expected, "{raw:?}");
    }
}

#[test]
fn a_response_matches_the_schema_of_errors_and_says_what_is_allowed() {
    let raw = json!({"num_paths": 0, "min_stroke_width": 5, "prompt": "a:99"});
    let errors = Input::from_request(raw.as_object().unwrap()).unwrap_err();
    let answer = json!({"detail": Detail::of_inputs(&errors)});
    for document in [openapi::document(), openapi::complete_document()] {
        assert!(validator(&document, "HTTPValidationError").is_valid(&answer));
    }
    assert_eq!(
        answer["detail"][0],
        json!({
            "loc": ["body", "input", "num_paths"],
            "msg": "0 is less than the minimum of 1",
            "type": "value_error",
            "ctx": {"allowed": "a whole number from 1 to 2048"},
        })
    );
    let message = answer["detail"][1]["msg"].as_str().unwrap();
    assert!(message.contains("the weight 99 after `a`"), "{message}");
}

#[test]
fn a_huge_value_is_not_repeated_in_the_error() {
    let huge = "x".repeat(5_000_000);
    let raw =
        json!({"num_paths": huge, "output_format": [huge], "background": huge, "prompt": huge});
    let errors = Input::from_request(raw.as_object().unwrap()).unwrap_err();
    let answer = json!(Detail::of_inputs(&errors)).to_string();
    assert!(answer.len() < 4000, "{}", answer.len());
    assert!(answer.contains("xxx… (cut after 300 characters) is longer than 4000 characters"));
}

#[test]
fn the_inputs_in_a_response_match_the_schema_of_inputs() {
    let (input, _) = Input::from_request(&Map::new()).unwrap();
    let values = Value::Object(input.values().clone());
    for document in [openapi::document(), openapi::complete_document()] {
        let found = verdict_of_cog(&validator(&document, "Input"), &values);
        assert_eq!(found, []);
    }
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_command_prints_the_documents() {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(read(&printed(&["schema"])), openapi::document());
    assert_eq!(
        read(&printed(&["schema", "--complete"])),
        openapi::complete_document()
    );
    let compact = printed(&["schema", "--compact"]);
    assert_eq!(compact.trim_end().lines().count(), 1);
    assert_eq!(read(&compact), openapi::document());
}
