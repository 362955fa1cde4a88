//! Reads inputs from `-i name=value` and `--json`.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::inputs::{self, FileContent, Kind, MAX_FILE_BYTES};

/// The maximum size of a file with the text of one input, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The maximum size of a file with all inputs, in bytes. Files may be among them, as data URLs.
const MAX_JSON_BYTES: u64 = 1 << 26;

/// Why inputs cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// `-i` without a name and a value.
    #[error("`-i {0}` is not of the form name=value")]
    NotAnAssignment(String),
    /// The same input twice.
    #[error("`-i {0}=…` is given twice")]
    Twice(String),
    /// A file cannot be read as text.
    #[error("{file}: cannot be read")]
    Unreadable {
        /// The file's path, or "standard input".
        file: String,
        /// The error of the system.
        #[source]
        cause: std::io::Error,
    },
    /// A file is too large.
    #[error("{file}: is larger than {limit} bytes, the maximum for inputs")]
    TooLarge {
        /// The file's path, or "standard input".
        file: String,
        /// The maximum size in bytes.
        limit: u64,
    },
    /// The file is not a JSON document.
    #[error("{file}: is not JSON")]
    NotJson {
        /// The file's path, or "standard input".
        file: String,
        /// Where and why.
        #[source]
        cause: serde_json::Error,
    },
    /// The JSON document is not an object, or its `input` is not one.
    #[error("{file}: is not a JSON object of inputs")]
    NotAnObject {
        /// The file's path, or "standard input".
        file: String,
    },
    /// There are inputs both in `input` and beside it.
    #[error("{file}: `{name}` is beside `input`; put either all inputs under `input`, or none")]
    BesideInput {
        /// The file's path, or "standard input".
        file: String,
        /// The input beside `input`.
        name: String,
    },
}

/// The field of a request's body that holds the inputs.
const INPUT: &str = "input";

/// Some editors write this at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Merges the inputs of a JSON document and of `-i` assignments; an assignment overrides the document.
///
/// # Errors
/// If one of them cannot be read. Values are not checked here.
pub(super) fn read_inputs(
    json: Option<&str>,
    assignments: &[String],
) -> Result<Map<String, Value>, ReadError> {
    let mut values = json.map_or_else(|| Ok(Map::new()), read_json)?;
    let mut assigned = Map::new();
    for assignment in assignments {
        let (name, value) = read_assignment(assignment)?;
        if assigned.insert(name.clone(), value).is_some() {
            return Err(ReadError::Twice(name));
        }
    }
    values.extend(assigned);
    Ok(values)
}

fn read_assignment(assignment: &str) -> Result<(String, Value), ReadError> {
    let (name, text) = assignment
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| ReadError::NotAnAssignment(assignment.to_owned()))?;
    // An unknown name is reported later, when all inputs are checked.
    let kind = inputs::find(name).map(|field| field.kind);
    let text = match text.strip_prefix('@') {
        Some(path) => {
            let file = InputFile::OfInput {
                name: name.to_owned(),
                path: path.into(),
            };
            if matches!(kind, Some(Kind::File { .. })) {
                file.read_data_url()?
            } else {
                file.read_text(MAX_TEXT_BYTES)?.trim_end().to_owned()
            }
        }
        None => text.to_owned(),
    };
    let value = kind.map_or_else(|| text.as_str().into(), |kind| kind.parse(&text));
    Ok((name.to_owned(), value))
}

/// A file with several lines of text, or standard input for `-`.
///
/// # Errors
/// If it cannot be read, is too large or is not text.
pub(super) fn read_lines(path: &str) -> Result<String, ReadError> {
    let file = match path {
        "-" => InputFile::StandardInput,
        path => InputFile::Path(path.into()),
    };
    file.read_text(MAX_TEXT_BYTES)
}

fn read_json(path: &str) -> Result<Map<String, Value>, ReadError> {
    let file = match path {
        "-" | "@-" => InputFile::StandardInput,
        path => InputFile::Path(path.strip_prefix('@').unwrap_or(path).into()),
    };
    match serde_json::from_str(&file.read_text(MAX_JSON_BYTES)?) {
        Ok(Value::Object(values)) => inputs_of(values, &file),
        Ok(_) => Err(ReadError::NotAnObject { file: file.name() }),
        Err(cause) => Err(ReadError::NotJson {
            file: file.name(),
            cause,
        }),
    }
}

/// The inputs in an object: the object itself, or its `input` if it is the body of a request to the
/// server. The command ignores the other fields of such a body, such as an ID or a webhook.
fn inputs_of(
    mut object: Map<String, Value>,
    file: &InputFile,
) -> Result<Map<String, Value>, ReadError> {
    let Some(input) = object.remove(INPUT) else {
        return Ok(object);
    };
    if let Some(name) = object.keys().find(|name| inputs::find(name).is_some()) {
        let (file, name) = (file.name(), name.clone());
        return Err(ReadError::BesideInput { file, name });
    }
    match input {
        Value::Object(values) => Ok(values),
        Value::Null => Ok(Map::new()),
        _ => Err(ReadError::NotAnObject { file: file.name() }),
    }
}

/// A file with one input or all of them.
enum InputFile {
    StandardInput,
    Path(PathBuf),
    /// In `-i name=@path`.
    OfInput {
        name: String,
        path: PathBuf,
    },
}

impl InputFile {
    fn name(&self) -> String {
        match self {
            Self::StandardInput => "standard input".to_owned(),
            Self::Path(path) => path.display().to_string(),
            Self::OfInput { name, path } => format!("-i {name}=@{}", path.display()),
        }
    }

    fn open(&self) -> std::io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::StandardInput => Box::new(std::io::stdin()),
            Self::Path(path) | Self::OfInput { path, .. } => Box::new(std::fs::File::open(path)?),
        })
    }

    /// The file as a data URL.
    fn read_data_url(&self) -> Result<String, ReadError> {
        let limit = MAX_FILE_BYTES as u64;
        let mut bytes = Vec::new();
        self.open()
            .and_then(|reader| reader.take(limit + 1).read_to_end(&mut bytes))
            .map_err(|cause| self.unreadable(cause))?;
        self.check_length(bytes.len(), limit)?;
        let file = FileContent {
            media_type: self.media_type().to_owned(),
            bytes,
            source: None,
        };
        Ok(file.to_data_url())
    }

    /// The media type that belongs to the file's extension.
    fn media_type(&self) -> &'static str {
        let extension = match self {
            Self::StandardInput => None,
            Self::Path(path) | Self::OfInput { path, .. } => {
                path.extension().and_then(OsStr::to_str)
            }
        };
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("svg" | "svgz") => "image/svg+xml",
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            Some("webp") => "image/webp",
            Some("json") => "application/json",
            _ => "application/octet-stream",
        }
    }

    fn unreadable(&self, cause: std::io::Error) -> ReadError {
        ReadError::Unreadable {
            file: self.name(),
            cause,
        }
    }

    fn check_length(&self, length: usize, limit: u64) -> Result<(), ReadError> {
        if length as u64 <= limit {
            return Ok(());
        }
        Err(ReadError::TooLarge {
            file: self.name(),
            limit,
        })
    }

    fn read_text(&self, limit: u64) -> Result<String, ReadError> {
        let mut text = String::new();
        let length = self
            .open()
            .and_then(|reader| reader.take(limit + 1).read_to_string(&mut text))
            .map_err(|cause| self.unreadable(cause))?;
        self.check_length(length, limit)?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.remove(0);
        }
        Ok(text)
    }
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
    fn an_assignment_becomes_a_value_of_the_fields_type() {
        let values = read(
            None,
            &[
                "prompt=a=b",
                "num_paths=16",
                "clip_weight=0.5",
                "seed=x",
                "truncate=true",
            ],
        )
        .unwrap();
        assert_eq!(
            Value::Object(values),
            json!({"prompt": "a=b", "num_paths": 16, "clip_weight": 0.5, "seed": "x", "truncate": true})
        );
    }

    #[test]
    fn a_file_holds_one_value_or_all_inputs_and_assignments_override_it() {
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
    fn a_byte_order_mark_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("all"), "\u{feff}{\"seed\": 5}").unwrap();
        std::fs::write(path("prompt"), "\u{feff}a bonfire\r\n").unwrap();
        let prompt = format!("prompt=@{}", path("prompt"));
        let values = read(Some(&path("all")), &[&prompt]).unwrap();
        assert_eq!(
            Value::Object(values),
            json!({"seed": 5, "prompt": "a bonfire"})
        );
    }

    #[test]
    fn the_inputs_are_read_from_the_input_of_a_request_body() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body").display().to_string();
        for (body, expected) in [
            (r#"{"input": {"seed": 5}}"#, json!({"seed": 5})),
            (
                "\u{feff}{\"id\": \"a\", \"input\": {\"seed\": 5}, \"webhook\": \"http://a\"}",
                json!({"seed": 5}),
            ),
            (r#"{"input": null}"#, json!({})),
            (r#"{"input": {}}"#, json!({})),
        ] {
            std::fs::write(&file, body).unwrap();
            assert_eq!(
                read(Some(&file), &[]).map(Value::Object),
                Ok(expected),
                "{body}"
            );
        }
        for (body, expected) in [
            (r#"{"input": "x"}"#, "is not a JSON object of inputs"),
            (
                r#"{"input": {"seed": 5}, "prompt": "a"}"#,
                "`prompt` is beside `input`",
            ),
        ] {
            std::fs::write(&file, body).unwrap();
            let error = read(Some(&file), &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_becomes_a_data_url_for_an_input_that_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fox.SVG").display().to_string();
        std::fs::write(&path, "hi!").unwrap();
        let missing = read(None, &["image_prompt=@no-such.png"]).unwrap_err();
        assert_eq!(missing, "-i image_prompt=@no-such.png: cannot be read");
        let values = read(None, &[&format!("image_prompt=@{path}")]).unwrap();
        assert_eq!(values["image_prompt"], "data:image/svg+xml;base64,aGkh");
    }

    #[test]
    fn the_error_names_the_file_or_assignment_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("list"), "[1]").unwrap();
        std::fs::write(path("broken"), "{").unwrap();
        std::fs::write(path("large"), vec![b' '; 1 + MAX_FILE_BYTES]).unwrap();
        let large = format!("prompt=@{}", path("large"));
        let picture = format!("image_prompt=@{}", path("large"));
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
            (Some(path("list")), vec![], "is not a JSON object"),
            (Some(path("broken")), vec![], "is not JSON"),
            (None, vec![large.as_str()], "is larger than 1048576 bytes"),
            (
                None,
                vec![picture.as_str()],
                "is larger than 10485760 bytes",
            ),
            (Some(path("bytes")), vec![], "cannot be read"),
        ] {
            let error = read(json.as_deref(), &assignments).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
