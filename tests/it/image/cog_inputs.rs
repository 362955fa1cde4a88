//! docker/run.py, which Cog parses and never runs, has the inputs of the program.

use std::process::Command;

use clipdraw::inputs::{COLOR_PATTERN, COLORS_PATTERN, PAPER_PATTERN};
use clipdraw::inputs::{FIELDS, Field, Kind};
use serde_json::{Map, Value, json};

use super::{root, succeeded};

/// Prints what Cog's reader sees: the parameters of `Runner.run` with the arguments of `Input`. That
/// reader takes the text between the quotes of a literal as it stands, so any other form is refused.
const READER: &str = r#"
import ast, json, sys

text = open(sys.argv[1]).read()
(runner,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
(run,) = runner.body
inputs = []
for parameter, call in zip(run.args.args[1:], run.args.defaults, strict=True):
    assert call.func.id == "Input" and not call.args
    fields = {}
    for argument in call.keywords:
        value = ast.literal_eval(argument.value)
        if isinstance(value, str):
            source = ast.get_source_segment(text, argument.value)
            assert source == '"' + value + '"', source
        fields[argument.arg] = value
    inputs.append([parameter.arg, ast.unparse(parameter.annotation), fields])
decorators = [ast.unparse(decorator) for decorator in run.decorator_list]
json.dump([runner.name, run.name, decorators, ast.unparse(run.returns), inputs], sys.stdout)
"#;

fn read() -> Value {
    let output = Command::new("python3")
        .args(["-c", READER])
        .arg(root().join("docker/run.py"))
        .output()
        .unwrap();
    serde_json::from_str(&succeeded(&output)).unwrap()
}

/// The parameter that Cog has to see for a field.
fn parameter(field: &Field) -> Value {
    let (annotation, limits) = match field.kind {
        Kind::Text { max_length, .. } => ("str", json!({"max_length": max_length})),
        Kind::Integer { default, min, max } => {
            let annotation = if default.is_some() {
                "int"
            } else {
                "Optional[int]"
            };
            (annotation, json!({"ge": min, "le": max}))
        }
        Kind::Number { default, min, max } => {
            let annotation = if default.is_some() {
                "float"
            } else {
                "Optional[float]"
            };
            (annotation, json!({"ge": min, "le": max}))
        }
        Kind::Boolean { .. } => ("bool", json!({})),
        Kind::Color { or_none: true, .. } => ("str", json!({"regex": PAPER_PATTERN})),
        Kind::Color { .. } => ("Optional[str]", json!({"regex": COLOR_PATTERN})),
        Kind::Colors { .. } => ("Optional[str]", json!({"regex": COLORS_PATTERN})),
        Kind::Choice { choices, .. } => ("str", json!({"choices": choices})),
        Kind::File { .. } => ("Optional[Path]", json!({})),
    };
    let mut arguments = Map::new();
    arguments.insert("description".to_owned(), field.description.into());
    arguments.insert("default".to_owned(), field.kind.default_value().into());
    if let Value::Object(limits) = limits {
        arguments.extend(limits);
    }
    json!([field.name, annotation, arguments])
}

#[test]
fn the_inputs_that_cog_reads_are_the_programs() {
    let found = read();
    let expected: Vec<_> = FIELDS.iter().map(parameter).collect();
    let inputs = found[4].as_array().unwrap();
    for (found, expected) in inputs.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(inputs.len(), expected.len());
}

#[test]
fn cog_sees_a_streaming_runner_that_outputs_files() {
    let found = read();
    let head = &found.as_array().unwrap()[..4];
    let expected = json!(["Runner", "run", ["streaming"], "Iterator[Path]"]);
    assert_eq!(head, expected.as_array().unwrap());
}
