//! One row of the table of inputs: what is shown to callers, and the Rust type of a checked value.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::choice::Choice;
use super::error::{InputError, Problem};
use super::field::{Kind, NO_COLOR, colors, whole_number};
use super::file::{File, FileContent, FileError, quotable};
use super::quote::Quote;
use crate::errors::chain;
use crate::import::{
    DecodedPicture, ImportedStrokes, PictureError, StrokesError, decode_picture, read_strokes,
};
use crate::scene::Rgb;

/// A rule that a JSON schema cannot express, as a clause.
pub(super) struct BrokenRule(String);

/// An input whose values are of type `T` in the program. `T` follows from the row, so that limits
/// and type cannot contradict each other.
pub(super) struct Declaration<T> {
    pub(super) kind: Kind,
    convert: fn(&Value) -> Result<T, BrokenRule>,
}

impl<T> Declaration<T> {
    /// Checks the value of the input `name` and converts it.
    pub(super) fn read(&self, name: &str, value: &Value) -> Result<T, InputError> {
        let violations = self.kind.violations(value);
        if !violations.is_empty() {
            return Err(InputError {
                field: name.to_owned(),
                problem: Problem::Limits {
                    value: Quote::of(value),
                    violations,
                    allowed: self.kind.allowed() + &self.kind.wrong_part(value),
                },
            });
        }
        (self.convert)(value).map_err(|BrokenRule(rule)| match self.kind {
            Kind::File { .. } => broken_rule(name, &quotable(value), rule),
            _ => broken_rule(name, value, rule),
        })
    }
}

/// The error about a value that breaks a rule.
pub(super) fn broken_rule(field: &str, value: &Value, rule: String) -> InputError {
    InputError {
        field: field.to_owned(),
        problem: Problem::Rule {
            value: Quote::of(value),
            rule,
        },
    }
}

/// A text of at most `max_length` characters that a `T` is parsed from.
pub(super) const fn text<T: FromStr<Err: Display>>(
    default: &'static str,
    max_length: usize,
) -> Declaration<T> {
    Declaration {
        kind: Kind::Text {
            default,
            max_length,
        },
        convert: |value| {
            let text = converted(value.as_str())?;
            text.parse()
                .map_err(|error: T::Err| BrokenRule(error.to_string()))
        },
    }
}

/// A whole number; the build fails if `T` cannot hold every number from `min` to `max`.
pub(super) const fn integer<T: TryFrom<i64>>(default: i64, min: i64, max: i64) -> Declaration<T> {
    assert!(min <= default && default <= max);
    whole(Some(default), min, max)
}

/// A whole number that is random by default.
pub(super) const fn random_integer<T: TryFrom<i64>>(min: i64, max: i64) -> Declaration<T> {
    whole(None, min, max)
}

const fn whole<T: TryFrom<i64>>(default: Option<i64>, min: i64, max: i64) -> Declaration<T> {
    let bits = 8 * size_of::<T>() as u32;
    assert!(min >= 0 && i64::BITS - max.leading_zeros() < bits);
    Declaration {
        kind: Kind::Integer { default, min, max },
        convert: |value| converted(whole_number(value).and_then(|number| T::try_from(number).ok())),
    }
}

/// A finite number.
pub(super) const fn number(default: f64, min: f64, max: f64) -> Declaration<f64> {
    assert!(min <= default && default <= max);
    Declaration {
        kind: Kind::Number {
            default: Some(default),
            min,
            max,
        },
        convert: |value| converted(value.as_f64()),
    }
}

/// A finite number, or none.
pub(super) const fn optional_number(min: f64, max: f64) -> Declaration<Option<f64>> {
    assert!(min <= max);
    Declaration {
        kind: Kind::Number {
            default: None,
            min,
            max,
        },
        convert: |value| optional(value, Value::as_f64),
    }
}

/// `true` or `false`.
pub(super) const fn boolean(default: bool) -> Declaration<bool> {
    Declaration {
        kind: Kind::Boolean { default },
        convert: |value| converted(value.as_bool()),
    }
}

/// A colour, or the word for none.
pub(super) const fn color_or_none(default: &'static str) -> Declaration<Option<Rgb>> {
    Declaration {
        kind: Kind::Color {
            default: Some(default),
            or_none: true,
        },
        convert: |value| match value.as_str() {
            Some(NO_COLOR) => Ok(None),
            text => converted(text.and_then(|text| text.parse().ok())).map(Some),
        },
    }
}

/// A colour, or none.
pub(super) const fn optional_color() -> Declaration<Option<Rgb>> {
    Declaration {
        kind: Kind::Color {
            default: None,
            or_none: false,
        },
        convert: |value| optional(value, |value| value.as_str()?.parse().ok()),
    }
}

/// At most `MAX` colours, or none. A colour that is repeated counts once.
pub(super) const fn optional_colors<const MAX: usize>() -> Declaration<Option<Vec<Rgb>>> {
    Declaration {
        kind: Kind::Colors { max: MAX },
        convert: |value| {
            let found = optional(value, |value| colors(value.as_str()?))?;
            let Some(all) = found else {
                return Ok(None);
            };
            let mut distinct = Vec::new();
            for color in &all {
                if !distinct.contains(color) {
                    distinct.push(*color);
                }
            }
            if distinct.len() > MAX {
                let count = distinct.len();
                return Err(BrokenRule(format!(
                    "it has {count} colours; at most {MAX} are allowed"
                )));
            }
            Ok(Some(distinct))
        },
    }
}

/// One of the words of an enum, by default the first.
pub(super) const fn choice<T: Choice>() -> Declaration<T> {
    Declaration {
        kind: Kind::Choice {
            default: T::WORDS[0],
            choices: T::WORDS,
        },
        convert: |value| converted(value.as_str().and_then(T::from_word)),
    }
}

/// `None` for `null`.
fn optional<T>(
    value: &Value,
    convert: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, BrokenRule> {
    if value.is_null() {
        return Ok(None);
    }
    converted(convert(value)).map(Some)
}

/// What a file is read as.
pub(super) trait FromFile: Sized {
    /// What it is, as a noun with its article.
    const CONTENT: &'static str;
    /// Why a file is not one.
    type Error: std::error::Error;

    /// Reads a file.
    fn from_file(file: &FileContent) -> Result<Self, Self::Error>;
}

/// The value of an input that is a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FileInput<T> {
    /// There is none.
    Absent,
    /// It has to be fetched before it can be read.
    Link,
    /// The file.
    Content(T),
}

impl<T> FileInput<T> {
    /// The file, if there is one that need not be fetched.
    pub(super) fn content(self) -> Option<T> {
        match self {
            Self::Content(content) => Some(content),
            Self::Absent | Self::Link => None,
        }
    }

    /// The file by reference.
    pub(super) fn as_content(&self) -> Option<&T> {
        match self {
            Self::Content(content) => Some(content),
            Self::Absent | Self::Link => None,
        }
    }
}

impl FromFile for DecodedPicture {
    const CONTENT: &'static str = "a picture (PNG, JPEG, WebP or SVG)";
    type Error = PictureError;

    fn from_file(file: &FileContent) -> Result<Self, PictureError> {
        decode_picture(&file.bytes)
    }
}

impl FromFile for ImportedStrokes {
    const CONTENT: &'static str = "an SVG";
    type Error = StrokesError;

    fn from_file(file: &FileContent) -> Result<Self, StrokesError> {
        read_strokes(&file.bytes)
    }
}

/// A file; there is none by default.
pub(super) const fn file<T: FromFile>() -> Declaration<FileInput<T>> {
    Declaration {
        kind: Kind::File {
            content: T::CONTENT,
        },
        convert: |value| {
            if value.is_null() {
                return Ok(FileInput::Absent);
            }
            let text = converted(value.as_str())?;
            match text
                .parse()
                .map_err(|error: FileError| BrokenRule(error.to_string()))?
            {
                File::Link(_) => Ok(FileInput::Link),
                File::Content(content) => T::from_file(&content)
                    .map(FileInput::Content)
                    .map_err(|error| BrokenRule(chain(&error))),
            }
        },
    }
}

/// A value that keeps its limits has the type that they belong to; should a limit ever be wrong,
/// the value is rejected.
fn converted<T>(value: Option<T>) -> Result<T, BrokenRule> {
    value.ok_or_else(|| BrokenRule("it is not of the expected type".to_owned()))
}
