//! Normalizes responses: it removes what necessarily differs between servers and between runs, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::case::Names;

/// The version of the program under test, which the table shall not depend on.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Numbers that no two drawings share.
const MEASURED: [&str; 3] = ["predict_time", "steps_per_second", "losses"];

/// The headers of a message. Of some only the presence counts.
pub(super) fn headers(headers: &HeaderMap, names: &Names) -> Value {
    let mut normal = Map::new();
    for (name, value) in headers {
        let text = names.hide(value.to_str().unwrap());
        let value = match name.as_str() {
            "content-length" => json!("<number>"),
            "date" => json!("<date>"),
            "host" => json!("<host>"),
            "user-agent" => json!(without_version(&text)),
            "allow" => {
                let methods = text.split(',').map(|method| (method.to_owned(), json!("")));
                Value::Object(methods.collect())
            }
            _ => json!(text),
        };
        normal.insert(name.to_string(), value);
    }
    Value::Object(normal)
}

/// What a file is, by its contents.
fn file(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("<png>");
    }
    let is_svg = bytes.windows(5).any(|part| part == b"<svg ");
    is_svg.then_some("<svg>")
}

fn without_version(text: &str) -> &str {
    if text.split('/').count() == 2 {
        "<name/version>"
    } else {
        text
    }
}

/// The body of a message by its content type.
pub(super) fn body(content_type: &str, bytes: &[u8], names: &Names) -> Value {
    let text = names.hide(&String::from_utf8_lossy(bytes));
    match content_type.split(';').next().unwrap_or_default() {
        _ if bytes.is_empty() => json!(""),
        "application/json" => match serde_json::from_str(&text) {
            Ok(body) => value("", body),
            Err(error) => json!(format!("{error}: {text}")),
        },
        "text/event-stream" => {
            Value::Array(text.split_terminator("\n\n").filter_map(event).collect())
        }
        "image/svg+xml" | "image/png" => json!(file(bytes).unwrap_or(&text)),
        "text/html" => json!("<page>"),
        _ => json!(text),
    }
}

/// An event of a stream; a comment is none.
fn event(frame: &str) -> Option<Value> {
    let mut event = Map::new();
    for line in frame.lines() {
        match line.split_once(": ").unwrap_or((line, "")) {
            ("", _) => {}
            ("data", text) => {
                let data = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
                event.insert("data".to_owned(), data_of_event(data));
            }
            ("id", number) if number.parse::<u64>().is_ok() => {
                event.insert("id".to_owned(), json!("<number>"));
            }
            (name, text) => {
                event.insert(name.to_owned(), json!(text));
            }
        }
    }
    (!event.is_empty()).then_some(Value::Object(event))
}

fn data_of_event(mut data: Value) -> Value {
    if let Some(line) = data["data"].as_str() {
        let is_line = line.ends_with('\n') && line.lines().count() == 1;
        data["data"] = json!(if is_line { "<line>" } else { line });
    }
    if let (Some(name), Some(metric)) = (data["name"].as_str(), data.get("value")) {
        data["value"] = value(name, metric.clone());
    }
    value("", data)
}

/// A value under a key of a JSON object.
fn value(key: &str, found: Value) -> Value {
    match found {
        Value::Object(members) if key == "setup" => setup(members),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, member)| {
                let within = if MEASURED.contains(&key) { key } else { &name };
                let member = value(within, member);
                (name, member)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| value(key, item)).collect(),
        Value::Number(_) if MEASURED.contains(&key) => json!("<number>"),
        Value::String(text) => json!(string(key, text)),
        other => other,
    }
}

fn setup(mut members: Map<String, Value>) -> Value {
    if let Some(logs) = members
        .get_mut("logs")
        .filter(|logs| logs.as_str() != Some(""))
    {
        *logs = json!("<lines>");
    }
    value("", Value::Object(members))
}

fn string(key: &str, text: String) -> String {
    let embedded = |media: &str, name: &str| {
        let encoded = text.strip_prefix(&format!("data:{media};base64,"))?;
        let found = file(&STANDARD.decode(encoded).ok()?)?;
        (found == name).then(|| name.to_owned())
    };
    match key {
        "logs" if text.ends_with('\n') => format!("<{} lines>", text.lines().count()),
        "version" | "clipdraw" if text == VERSION => "<version>".to_owned(),
        "python" => "<version>".to_owned(),
        "id" if is_made_up(&text) => "<new id>".to_owned(),
        "created_at" | "started_at" | "completed_at" | "build_time"
            if text.parse::<Timestamp>().is_ok() =>
        {
            "<time>".to_owned()
        }
        "output" | "chunk" => embedded("image/svg+xml", "<svg>")
            .or_else(|| embedded("image/png", "<png>"))
            .unwrap_or(text),
        _ => text,
    }
}

/// Whether an id is one that a server made up: `pred_` and a time, or a random number.
fn is_made_up(id: &str) -> bool {
    let digits = id.strip_prefix("pred_").unwrap_or(id);
    digits.len() >= 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Value {
        let names = Names {
            id: "case-7".to_owned(),
            receiver: "http://127.0.0.1:9".to_owned(),
        };
        body("application/json", text.as_bytes(), &names)
    }

    #[test]
    fn what_must_differ_gets_a_name_and_what_need_not_stays() {
        let text = r#"{"id":"case-7","created_at":"2026-01-01T00:00:00Z","logs":"a\nb\n","output":["data:image/svg+xml;base64,PHN2ZyAvPg==","http://127.0.0.1:9/x"],"metrics":{"predict_time":0.1,"step":3,"losses":{"total":1,"prompts":[{"prompt":"a","loss":0.5}]}}}"#;
        assert_eq!(
            normal(text),
            json!({
                "id": "$ID", "created_at": "<time>", "logs": "<2 lines>",
                "output": ["<svg>", "$RECEIVER/x"],
                "metrics": {"predict_time": "<number>", "step": 3, "losses": {
                    "total": "<number>", "prompts": [{"prompt": "a", "loss": "<number>"}]
                }},
            })
        );
        for kept in [
            r#"{"created_at":"yesterday"}"#,
            r#"{"id":"pred_x"}"#,
            r#"{"logs":""}"#,
            r#"{"output":["data:image/svg+xml;base64,%"]}"#,
            r#"{"output":["data:image/png;base64,PHN2ZyAvPg=="]}"#,
            r#"{"error":"2026-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(normal(kept).to_string(), kept);
        }
    }
}
