//! Inputs that do not exist: what is said of them where they are refused and where they are ignored.

use serde_json::{Map, Value};

use super::error::{InputError, Problem};
use super::field::{FIELDS, Field};

/// Unknown names that are reported; more would only repeat the reason.
const MOST_UNKNOWN_NAMES: usize = 5;

/// The longest part of an unknown name that is repeated, in characters.
const LONGEST_NAME: usize = 60;

fn unknown(raw: &Map<String, Value>) -> impl Iterator<Item = &String> {
    raw.keys().filter(|name| Field::named(name).is_none())
}

/// An error for each of the first few.
pub(super) fn errors(raw: &Map<String, Value>) -> Vec<InputError> {
    unknown(raw)
        .take(MOST_UNKNOWN_NAMES)
        .map(|name| InputError {
            field: name.chars().take(LONGEST_NAME).collect(),
            problem: Problem::UnknownName,
        })
        .collect()
}

/// A line for each of the first few, and one that counts the others.
pub(super) fn notes(raw: &Map<String, Value>) -> Vec<String> {
    let mut notes: Vec<_> = unknown(raw)
        .take(MOST_UNKNOWN_NAMES)
        .map(|name| note(name))
        .collect();
    let more = unknown(raw).skip(MOST_UNKNOWN_NAMES).count();
    if more > 0 {
        notes.push(format!("{more} more inputs do not exist and are ignored"));
    }
    notes
}

fn note(name: &str) -> String {
    // Escaped, or a name with a line break could forge lines of the log.
    let name: String = name.escape_debug().take(LONGEST_NAME).collect();
    let hint =
        nearest(&name).map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
    format!("input `{name}` does not exist and is ignored{hint}")
}

/// The input that a mistyped name most likely means, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    /// Below this similarity a suggestion confuses more than it helps.
    const NEAR: f64 = 0.6;
    let similarity = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
    FIELDS
        .iter()
        .map(|field| field.name)
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)))
        .filter(|known| similarity(known) > NEAR)
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
    fn notes_are_few_and_short_and_of_one_line() {
        let raw: Map<_, _> = (0..10_000)
            .map(|index| (format!("{index}\n{}", "é".repeat(1000)), Value::Null))
            .collect();
        let notes = notes(&raw);
        assert_eq!(notes.len(), MOST_UNKNOWN_NAMES + 1);
        assert_eq!(notes[5], "9995 more inputs do not exist and are ignored");
        assert!(
            notes
                .iter()
                .all(|note| note.len() < 200 && !note.contains('\n'))
        );
        assert_eq!(errors(&raw).len(), MOST_UNKNOWN_NAMES);
    }
}
