//! The table that the comparison writes: RESULTS.md.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::case::{Case, INPUTS, Leaving, Request, Step, Verdict};

/// The most characters of an answer that the table shows.
const LONGEST: usize = 200;

/// Members whose contents say nothing in a table.
const FOLDED: [&str; 4] = ["components", "input", "losses", "paths"];

/// A case with what came back.
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) cog: Value,
    pub(super) clipdraw: Value,
}

/// What came back, one line for each step that notes something.
pub(super) fn short(noted: &Value) -> String {
    match noted {
        Value::Array(parts) => parts.iter().map(part).collect::<Vec<_>>().join("\n"),
        other => part(other),
    }
}

fn part(noted: &Value) -> String {
    match noted.get("status").and_then(Value::as_u64) {
        Some(status) => format!("{status}{}", answer(noted)),
        None => match noted.as_object().and_then(|members| members.iter().next()) {
            Some((name, Value::String(text))) => format!("{name}: {text}"),
            Some((name, Value::Array(messages)))
                if messages.iter().all(|one| one["path"].is_string()) =>
            {
                let messages: Vec<_> = messages.iter().map(message).collect();
                format!("{name}: {}", messages.join(", "))
            }
            Some((name, value)) => format!("{name}: {}", compact(value)),
            None => compact(noted),
        },
    }
}

fn answer(noted: &Value) -> String {
    let mut text = String::new();
    let headers = &noted["headers"];
    if let Some(methods) = headers["allow"].as_object() {
        let methods: Vec<_> = methods.keys().map(String::as_str).collect();
        let _ = write!(text, " allow: {}", methods.join(","));
    }
    if let Some(place) = headers["location"].as_str() {
        let _ = write!(text, " location: {place}");
    }
    let media = headers["content-type"].as_str().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    match &noted["body"] {
        Value::String(body) if body.is_empty() => {}
        Value::String(body) => {
            let _ = write!(text, " {media}: {}", body.trim_end().replace('\n', "⏎"));
        }
        Value::Array(events) => {
            let events: Vec<_> = events.iter().map(event).collect();
            let _ = write!(text, " {}", events.join(" "));
        }
        body => {
            let _ = write!(text, " {}", compact(body));
        }
    }
    text
}

fn event(event: &Value) -> String {
    let name = event["event"].as_str().unwrap_or("?");
    match name {
        "error" => format!("error {}", compact(&event["data"])),
        "completed" => format!(
            "completed ({})",
            event["data"]["status"].as_str().unwrap_or("?")
        ),
        _ => name.to_owned(),
    }
}

fn message(message: &Value) -> String {
    let [method, path] = ["method", "path"].map(|name| message[name].as_str().unwrap_or("?"));
    format!("{method} {path} {}", compact(&message["body"]))
}

/// JSON on one line with sorted keys, without what is long and says little.
fn compact(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            let members = sorted.into_iter().map(|(name, member)| {
                if FOLDED.contains(&name.as_str()) && member.is_object() {
                    format!("\"{name}\":{{…}}")
                } else {
                    format!("\"{name}\":{}", compact(member))
                }
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(compact).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_string(),
    }
}

/// The names of what the second value has beyond the first.
fn beyond(part: &Value, whole: &Value, found: &mut Vec<String>) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => beyond_members(part, whole, found),
        (Value::Array(part), Value::Array(whole)) => {
            for (part, whole) in part.iter().zip(whole) {
                beyond(part, whole, found);
            }
        }
        _ => {}
    }
}

fn beyond_members(part: &Map<String, Value>, whole: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, value) in whole {
        match part.get(name) {
            Some(known) => beyond(known, value, found),
            None if found.contains(name) => {}
            None => found.push(name.clone()),
        }
    }
}

/// The whole document. `groups` are titles and the rows below them.
pub(super) fn document(groups: &[(&'static str, Vec<Row<'_>>)]) -> String {
    let rows = || groups.iter().flat_map(|(_, rows)| rows);
    let count = |wanted: &str| {
        rows()
            .filter(|row| word(&row.case.verdict) == wanted)
            .count()
    };
    let mut text = format!(
        "# What Cog's server answers, and what this one does\n\n\
         Written by `CLIPDRAW_UPDATE_GOLDEN=1 scripts/test conformance`; without that variable the test \
         compares.\n\nEvery request below goes to Cog's own server (`cog` and `coglet` 0.23.1, with \
         [a stub](stub.py) that has the inputs of [docker/run.py](../../docker/run.py) and draws nothing) \
         and to `clipdraw serve`. The test fails if a pair of answers does not compare as the table says.\n\n\
         - **equal** ({} cases): status, headers and body are the same.\n\
         - **superset** ({}): so is everything that Cog's server says; the table names what ours says \
         beyond it.\n\
         - **better** ({}): they differ on purpose.\n\n\
         Times, measured numbers, made-up ids, files and log lines count by their form (`<time>`, \
         `<number>`, `<svg>`, `<2 lines>`), everything else by its value. The names in requests:\n\n",
        count("equal"),
        count("superset"),
        count("better")
    );
    for (name, inputs) in INPUTS {
        let _ = writeln!(text, "- `{name}`: `{inputs}`");
    }
    text.push_str("- `$ID`: the prediction's id. `$RECEIVER`: what takes webhooks and files.\n");
    let mut number = 0;
    for (title, rows) in groups {
        let _ = write!(
            text,
            "\n## {title}\n\n| | case | request | Cog 0.23.1 | clipdraw | verdict |\n|---|---|---|---|---|---|\n"
        );
        for row in rows {
            number += 1;
            line(number, row, &mut text);
        }
    }
    text
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Equal => "equal",
        Verdict::Superset => "superset",
        Verdict::Better { .. } => "better",
    }
}

fn line(number: usize, row: &Row<'_>, text: &mut String) {
    let verdict = &row.case.verdict;
    let ours = match verdict {
        Verdict::Equal => "the same".to_owned(),
        Verdict::Superset => {
            let mut found = Vec::new();
            beyond(&row.cog, &row.clipdraw, &mut found);
            found.sort();
            let found: Vec<_> = found.iter().map(|name| format!("`{name}`")).collect();
            format!("the same, and {}", found.join(" "))
        }
        Verdict::Better { .. } => cell(&short(&row.clipdraw)),
    };
    let reason = match verdict {
        Verdict::Better { because, .. } => format!("**better**, because {because}"),
        other => word(other).to_owned(),
    };
    let requests: Vec<_> = row.case.steps.iter().map(step).collect();
    let _ = writeln!(
        text,
        "| {number} | {} | {} | {} | {ours} | {reason} |",
        row.case.about,
        requests.join("<br>"),
        cell(&short(&row.cog)),
    );
}

/// Lines as code within a table.
fn cell(lines: &str) -> String {
    let lines: Vec<_> = lines.split('\n').map(|line| code(&cut(line))).collect();
    lines.join("<br>")
}

fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence} {text} {fence}")
}

fn step(step: &Step) -> String {
    match step {
        Step::Send(sent) => request(sent),
        Step::Begin(sent) => format!("at the same time: {}", request(sent)),
        Step::Join => "its answer".to_owned(),
        Step::UntilReady => "a slot is free".to_owned(),
        Step::UntilFirstFile => "its first file is there".to_owned(),
        Step::Leave(sent, Leaving::Closes) => format!("{}, and the client hangs up", request(sent)),
        Step::Leave(sent, Leaving::ClosesItsHalf) => {
            format!("{}, and the client closes its half", request(sent))
        }
        Step::Repeat(sent, times) => {
            format!("{}, up to {times} times on one connection", request(sent))
        }
        Step::Receiver(behaviour) => format!("the receiver: {behaviour:?}"),
        Step::Webhooks => "the webhooks".to_owned(),
        Step::FirstAndLastWebhook => "the first and the last webhook".to_owned(),
        Step::WebhooksAtOnce => "how many webhooks are under way at once".to_owned(),
        Step::Uploads => "the uploads".to_owned(),
        Step::Terminate => "SIGTERM".to_owned(),
        Step::Connect => "a new connection".to_owned(),
        Step::Exit => "the exit status".to_owned(),
    }
}

fn request(request: &Request) -> String {
    let mut text = format!("{} {}", request.method, request.path);
    if request.http2 {
        text.push_str(" over HTTP/2");
    }
    for (name, value) in &request.headers {
        if (*name, value.as_str()) != ("content-type", "application/json") {
            let _ = write!(text, " {name}: {value}");
        }
    }
    let is_json = |(name, _): &(&str, String)| *name == "content-type";
    if let Some(body) = &request.body {
        if !request.headers.iter().any(is_json) {
            text.push_str(" (no content type)");
        }
        let _ = write!(text, " {}", if body.is_empty() { "(empty)" } else { body });
    }
    code(&cut(&text))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
