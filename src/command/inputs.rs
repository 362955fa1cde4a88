//! Inputs from `-i name=value` and `--json`.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::inputs;

/// The largest file that is read for an input or for all of them, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Why inputs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// `-i` without a name and a value.
    #[error("`-i {0}` is not of the form name=value")]
    NotAnAssignment(String),
    /// The same input twice.
    #[error("`-i {0}=…` is given twice")]
    Twice(String),
    /// A file cannot be read as text.
    #[error("{place}: cannot be read")]
    Unreadable {
        /// The file, or "standard input".
        place: String,
        /// What the system says.
        #[source]
        cause: std::io::Error,
    },
    /// A file is too large to hold inputs.
    #[error("{place}: more than {LARGEST_FILE} bytes are too many for inputs")]
    TooLarge {
        /// The file, or "standard input".
        place: String,
    },
    /// A JSON document is broken.
    #[error("{place}: is not JSON")]
    NotJson {
        /// The file, or "standard input".
        place: String,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// A JSON document is something else than an object.
    #[error("{place}: holds no JSON object of inputs")]
    NotAnObject {
        /// The file, or "standard input".
        place: String,
    },
}

/// Joins the inputs of a JSON document and of `-i` assignments; the latter win.
///
/// # Errors
/// When one of them cannot be read. Values are not checked here.
pub fn read_inputs(
    json: Option<&str>,
    assignments: &[String],
) -> Result<Map<String, Value>, ReadError> {
    let mut values = json.map_or_else(|| Ok(Map::new()), read_json)?;
    let mut given = Map::new();
    for assignment in assignments {
        let (name, value) = read_assignment(assignment)?;
        if given.insert(name.clone(), value).is_some() {
            return Err(ReadError::Twice(name));
        }
    }
    values.extend(given);
    Ok(values)
}

fn read_assignment(assignment: &str) -> Result<(String, Value), ReadError> {
    let (name, text) = assignment
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| ReadError::NotAnAssignment(assignment.to_owned()))?;
    let text = match text.strip_prefix('@') {
        Some(path) => read_text(&Source::File(path.into()))?.trim_end().to_owned(),
        None => text.to_owned(),
    };
    // A name that is unknown is refused where all inputs are checked.
    let value =
        inputs::find(name).map_or_else(|| text.as_str().into(), |field| field.kind.parse(&text));
    Ok((name.to_owned(), value))
}

fn read_json(place: &str) -> Result<Map<String, Value>, ReadError> {
    let source = match place {
        "-" | "@-" => Source::StandardInput,
        path => Source::File(path.strip_prefix('@').unwrap_or(path).into()),
    };
    let text = read_text(&source)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err(ReadError::NotAnObject {
            place: source.place(),
        }),
        Err(cause) => Err(ReadError::NotJson {
            place: source.place(),
            cause,
        }),
    }
}

enum Source {
    StandardInput,
    File(PathBuf),
}

impl Source {
    fn place(&self) -> String {
        match self {
            Self::StandardInput => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn open(&self) -> std::io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::StandardInput => Box::new(std::io::stdin()),
            Self::File(path) => Box::new(std::fs::File::open::<&Path>(path)?),
        })
    }
}

fn read_text(source: &Source) -> Result<String, ReadError> {
    let mut text = String::new();
    let length = source
        .open()
        .and_then(|reader| reader.take(LARGEST_FILE + 1).read_to_string(&mut text))
        .map_err(|cause| ReadError::Unreadable {
            place: source.place(),
            cause,
        })?;
    if length as u64 > LARGEST_FILE {
        return Err(ReadError::TooLarge {
            place: source.place(),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Option<&str>, assignments: &[&str]) -> Result<Map<String, Value>, String> {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        read_inputs(json, &assignments).map_err(|error| error.to_string())
    }

    #[test]
    fn assignments_become_values_of_the_fields_types() {
        let values = read(
            None,
            &["prompt=a=b", "num_paths=16", "clip_weight=0.5", "seed=x"],
        )
        .unwrap();
        assert_eq!(
            Value::Object(values),
            json!({"prompt": "a=b", "num_paths": 16, "clip_weight": 0.5, "seed": "x"})
        );
    }

    #[test]
    fn files_hold_a_value_or_all_of_them_and_assignments_win() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("prompt"), "a bonfire\n").unwrap();
        std::fs::write(path("all"), r#"{"num_paths": 3, "seed": 5}"#).unwrap();
        let prompt = format!("prompt=@{}", path("prompt"));
        let values = read(Some(&path("all")), &[&prompt, "seed=6"]).unwrap();
        assert_eq!(
            Value::Object(values),
            json!({"num_paths": 3, "seed": 6, "prompt": "a bonfire"})
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("list"), "[1]").unwrap();
        std::fs::write(path("broken"), "{").unwrap();
        std::fs::write(path("large"), vec![b' '; (LARGEST_FILE + 1) as usize]).unwrap();
        std::fs::write(path("bytes"), [0xff, 0xfe]).unwrap();
        for (json, assignments, expected) in [
            (
                None,
                vec!["prompt"],
                "`-i prompt` is not of the form name=value",
            ),
            (None, vec!["=a"], "`-i =a`"),
            (None, vec!["seed=1", "seed=2"], "`-i seed=…` is given twice"),
            (
                None,
                vec!["prompt=@/does/not/exist"],
                "/does/not/exist: cannot be read",
            ),
            (Some(path("list")), vec![], "holds no JSON object"),
            (Some(path("broken")), vec![], "is not JSON"),
            (Some(path("large")), vec![], "are too many"),
            (Some(path("bytes")), vec![], "cannot be read"),
        ] {
            let error = read(json.as_deref(), &assignments).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
