//! Every input with every kind of wrong value, and the values that are allowed.

use clipdraw::inputs::{FIELDS, Field, Kind};
use serde_json::{Value, json};

use super::super::case::{Case, Step, post, predict};
use super::{accepted_by_clipdraw, drawn_by_clipdraw, drawn_by_cog};

const NULL: &str = "`null` means the default, as callers mean it";

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = FIELDS.iter().flat_map(wrong).collect();
    // Here the defaults of these two are a drawing that takes too long, and another each time.
    let short = |field: &&Field| !["num_iterations", "seed"].contains(&field.name);
    cases.extend(FIELDS.iter().filter(short).map(null));
    cases.push(
        Case::better(
            "`seed`: null",
            vec![predict(r#"$TINY,"seed":null"#).respond_async().into()],
            NULL,
        )
        .answers(null_by_cog("seed", "integer"), accepted_by_clipdraw("$ID")),
    );
    cases.extend(allowed());
    cases.push(Case::superset(
        "several wrong inputs",
        vec![request(
            r#""seed":-1,"background":7,"num_paths":"x","clip_weight":1001,"output_format":3"#,
        )],
    ));
    cases
}

fn request(inputs: &str) -> Step {
    post("/predictions")
        .json(format!(r#"{{"input":{{{inputs}}}}}"#))
        .into()
}

/// Values that break a limit of the input, or its type.
fn wrong(field: &Field) -> Vec<Case> {
    let mut values = vec![json!([1]), json!({"b": 1, "a": [2]})];
    if !matches!(field.kind, Kind::Boolean { .. }) {
        values.push(json!(true));
    }
    values.extend(match field.kind {
        Kind::Text { .. } | Kind::File { .. } => vec![json!(5)],
        Kind::Integer { min, max, .. } => vec![
            json!("2"),
            json!(2.5),
            json!(min - 1),
            json!(max + 1),
            json!(1e300),
        ],
        Kind::Number { min, max, .. } => {
            vec![
                json!("2"),
                json!(min - 0.5),
                json!(max + 0.5),
                json!(-1e300),
            ]
        }
        Kind::Boolean { .. } => vec![json!(1), json!("true")],
        Kind::Color { .. } | Kind::Colors { .. } => {
            vec![json!(5), json!("red"), json!("#12345"), json!("")]
        }
        Kind::Choice { .. } => vec![json!(5), json!("jpeg"), json!("SVG")],
    });
    let long = match field.kind {
        Kind::Text { max_length, .. } => Some(long_text(field, max_length)),
        _ => None,
    };
    values
        .into_iter()
        .map(|value| {
            let inputs = format!("\"{}\":{value}", field.name);
            Case::superset(
                format!("`{}`: {}", field.name, kind(field, &value)),
                vec![request(&inputs)],
            )
        })
        .chain(long)
        .collect()
}

/// What is wrong with a value.
fn kind(field: &Field, value: &Value) -> &'static str {
    match (&field.kind, value) {
        (Kind::Color { .. } | Kind::Colors { .. }, Value::String(text)) if text.is_empty() => {
            "empty"
        }
        (Kind::Color { .. } | Kind::Colors { .. }, Value::String(_)) => "no colour",
        (Kind::Choice { .. }, Value::String(_)) => "none of the choices",
        (Kind::Boolean { .. }, Value::Number(_)) => "a number",
        (Kind::Integer { min, .. }, Value::Number(number)) if number.as_i64() == Some(min - 1) => {
            "too small"
        }
        (Kind::Integer { .. }, Value::Number(number)) if number.is_i64() => "too large",
        (Kind::Integer { .. }, Value::Number(_)) => "no whole number",
        (Kind::Number { min, .. }, Value::Number(number)) => {
            if number.as_f64().is_some_and(|number| number < *min) {
                "too small"
            } else {
                "too large"
            }
        }
        (_, Value::Array(_)) => "an array",
        (_, Value::Object(_)) => "an object",
        (_, Value::Bool(_)) => "true",
        _ => "another type",
    }
}

/// An input that is `null`.
fn null(field: &Field) -> Case {
    let inputs = format!("$TINY,\"{}\":null", field.name);
    let kind = match field.kind {
        Kind::Integer { .. } => "integer",
        Kind::Number { .. } => "number",
        Kind::Boolean { .. } => "boolean",
        _ => "string",
    };
    let mut cog = null_by_cog(field.name, kind);
    if let Kind::Choice { choices, .. } = field.kind {
        let message = format!("null is not one of {}", json!(choices));
        let entry = format!(
            r#"{{"loc":["body","input","{}"],"msg":{},"type":"value_error"}},"#,
            field.name,
            json!(message)
        );
        cog = cog.replacen('[', &format!("[{entry}"), 1);
    }
    let about = format!("`{}`: null", field.name);
    Case::better(about, vec![request(&inputs)], NULL).answers(cog, drawn_by_clipdraw("<new id>"))
}

fn null_by_cog(name: &str, kind: &str) -> String {
    format!(
        r#"422 {{"detail":[{{"loc":["body","input","{name}"],"msg":"null is not of type \"{kind}\"","type":"value_error"}}]}}"#
    )
}

/// A text that is so long that only one of the answers repeats it.
fn long_text(field: &Field, max_length: usize) -> Case {
    let text = "x".repeat(max_length + 1);
    let answer = |context: &str, quoted: &str| {
        format!(
            r#"422 {{"detail":[{{{context}"loc":["body","input","{}"],"msg":"\"{quoted} is longer than {max_length} characters","type":"value_error"}}]}}"#,
            field.name
        )
    };
    Case::better(
        format!("`{}`: too long", field.name),
        vec![request(&format!("\"{}\":\"{text}\"", field.name))],
        "an answer does not repeat a value without end",
    )
    .answers(
        answer("", &format!("{text}\\\"")),
        answer(
            &format!(r#""ctx":{{"allowed":"{}"}},"#, field.kind.allowed()),
            &format!("{}… (cut after 300 characters)", "x".repeat(299)),
        ),
    )
}

fn allowed() -> Vec<Case> {
    let fine = |about: &str, inputs: &str| Case::superset(about, vec![request(inputs)]);
    vec![
        Case::better(
            "an unknown input is passed over",
            vec![request(r#"$TINY,"nope":1"#)],
            "the log says so",
        )
        .answers(
            drawn_by_cog("<new id>"),
            drawn_by_clipdraw("<new id>").replace("<3 lines>", "<4 lines>"),
        ),
        fine(
            "the smallest numbers",
            r#"$TINY,"centre_x":0,"distance_from_centre_weight":0,"clip_weight":0,"seed":0"#,
        ),
        fine("the largest seed", r#"$TINY,"seed":9007199254740991"#),
        fine("a short colour", r##"$TINY,"background":"#abc""##),
        fine("a PNG", r#"$TINY,"output_format":"png""#),
        fine(
            "a file after every step",
            r#"$TINY,"num_iterations":3,"display_frequency":1"#,
        ),
        fine(
            "fewer steps than between two files",
            r#"$TINY,"num_iterations":2,"display_frequency":7"#,
        ),
        fine("several prompts", r#"$TINY,"prompt":"a cat | a dog:-0.5""#),
    ]
}
