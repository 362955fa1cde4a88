//! Inputs that do not exist: an error for each where they are rejected, a note where they are
//! ignored.

use serde_json::{Map, Value};

use super::error::{InputError, Problem};
use super::table::{FIELDS, find};
use crate::plural::counted;
use crate::suggest::suggest;

/// The maximum number of unknown names that are reported; more would only repeat the reason.
const MAX_REPORTED: usize = 5;

/// The maximum length of an unknown name that is repeated, in characters.
const MAX_NAME_LENGTH: usize = 60;

fn unknown(raw: &Map<String, Value>) -> impl Iterator<Item = &String> {
    raw.keys().filter(|name| find(name).is_none())
}

fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name)
}

/// An error for each of the first few.
pub(super) fn errors(raw: &Map<String, Value>) -> Vec<InputError> {
    unknown(raw)
        .take(MAX_REPORTED)
        .map(|name| error(name))
        .collect()
}

fn error(name: &str) -> InputError {
    let name: String = name.chars().take(MAX_NAME_LENGTH).collect();
    let problem = Problem::UnknownName {
        suggestion: suggest(&name, names()),
        allowed: names().collect::<Vec<_>>().join(", "),
    };
    InputError {
        field: name,
        problem,
    }
}

/// A line for each of the first few, and one that counts the others.
pub(super) fn notes(raw: &Map<String, Value>) -> Vec<String> {
    let mut notes: Vec<_> = unknown(raw)
        .take(MAX_REPORTED)
        .map(|name| note(name))
        .collect();
    let more = unknown(raw).skip(MAX_REPORTED).count();
    if more > 0 {
        notes.push(counted(
            more,
            "more input does not exist and is ignored",
            "more inputs do not exist and are ignored",
        ));
    }
    notes
}

fn note(name: &str) -> String {
    // Escaped, or a name with a line break could forge lines of the log.
    let name: String = name.escape_debug().take(MAX_NAME_LENGTH).collect();
    let hint = suggest(&name, names())
        .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
    format!("input `{name}` does not exist and is ignored{hint}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mistyped_name_is_noted_with_the_one_that_was_meant() {
        let raw = json!({"num_path": 3, "num_paths": 5, "zzz": [], "Prompt": "a"});
        assert_eq!(
            notes(raw.as_object().unwrap()),
            [
                "input `num_path` does not exist and is ignored; did you mean `num_paths`?",
                "input `zzz` does not exist and is ignored",
                "input `Prompt` does not exist and is ignored; did you mean `prompt`?",
            ]
        );
    }

    #[test]
    fn notes_are_few_and_short_and_have_one_line_each() {
        let raw: Map<_, _> = (0..10_000)
            .map(|index| (format!("{index}\n{}", "é".repeat(1000)), Value::Null))
            .collect();
        let notes = notes(&raw);
        assert_eq!(notes.len(), MAX_REPORTED + 1);
        assert_eq!(notes[5], "9995 more inputs do not exist and are ignored");
        assert!(
            notes
                .iter()
                .all(|note| note.len() < 200 && !note.contains('\n'))
        );
        assert_eq!(errors(&raw).len(), MAX_REPORTED);
    }
}
