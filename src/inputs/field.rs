//! The properties of an input: name, type, default, limits and description. The checks, the
//! command's help, the OpenAPI documents and the reference in the README all come from it.

use serde_json::{Number, Value};

use super::file::MAX_FILE_BYTES;
use super::violation::Violation;
use crate::scene::Rgb;

/// The largest whole number that JSON's numbers carry exactly everywhere, `2^53 - 1`.
pub const MAX_SEED: i64 = 9_007_199_254_740_991;

/// The regular expression, in the dialect of JSON Schema, of the texts that are a colour.
pub const COLOR_PATTERN: &str = "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";

/// The same for texts that are a colour or `none`.
pub const PAPER_PATTERN: &str = "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$|^none$";

/// The same for one or more colours with a comma or spaces between two. JSON Schema has no words for their maximum number.
pub const COLORS_PATTERN: &str =
    "^ *#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})(( *, *| +)#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}))* *$";

/// The word for a background that is left out.
pub(super) const NO_COLOR: &str = "none";

/// One input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The name, as in a request's `input` and in `-i name=value`.
    pub name: &'static str,
    /// The type with its default and its limits.
    pub kind: Kind,
    /// What it means, with its unit.
    pub description: &'static str,
    /// The inputs that it is shown with.
    pub group: Group,
}

/// A group of inputs that are shown together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What is drawn.
    Prompt,
    /// The strokes that it is drawn with.
    Strokes,
    /// How long and how it is optimized.
    Steps,
    /// The centre constraint.
    Center,
    /// What it is drawn on.
    Canvas,
}

impl Group {
    /// The heading of the group.
    pub fn title(self) -> &'static str {
        match self {
            Self::Prompt => "Prompt",
            Self::Strokes => "Strokes",
            Self::Steps => "Steps",
            Self::Center => "Centre",
            Self::Canvas => "Canvas",
        }
    }
}

/// The type of an input, its default and its limits, which are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A text.
    Text {
        /// Used when the input is absent.
        default: &'static str,
        /// The maximum number of characters.
        max_length: usize,
    },
    /// A whole number.
    Integer {
        /// Used when the input is absent; `None` means a random number.
        default: Option<i64>,
        /// The minimum.
        min: i64,
        /// The maximum.
        max: i64,
    },
    /// A finite number.
    Number {
        /// Used when the input is absent; `None` means that it has no value then.
        default: Option<f64>,
        /// The minimum.
        min: f64,
        /// The maximum.
        max: f64,
    },
    /// `true` or `false`.
    Boolean {
        /// Used when the input is absent.
        default: bool,
    },
    /// A colour, `#rrggbb` or `#rgb`.
    Color {
        /// Used when the input is absent; `None` means that it has no value then.
        default: Option<&'static str>,
        /// Whether the word `none` is allowed, too.
        or_none: bool,
    },
    /// Several colours. By default the input has no value.
    Colors {
        /// The maximum number.
        max: usize,
    },
    /// One of a few words.
    Choice {
        /// Used when the input is absent.
        default: &'static str,
        /// The words.
        choices: &'static [&'static str],
    },
    /// A file: a data URL, or an http(s) address that it is fetched from. There is none by default.
    File {
        /// What it is, as a noun with its article.
        content: &'static str,
    },
}

impl Kind {
    /// The default; `None` means a random number ([`Self::is_random`]) or no value.
    pub fn default_value(&self) -> Option<Value> {
        match *self {
            Kind::Text { default, .. } | Kind::Choice { default, .. } => Some(default.into()),
            Kind::Color { default, .. } => default.map(Value::from),
            Kind::Integer { default, .. } => default.map(Value::from),
            Kind::Number { default, .. } => default.map(Value::from),
            Kind::Boolean { default } => Some(default.into()),
            Kind::Colors { .. } | Kind::File { .. } => None,
        }
    }

    /// Whether an input of this kind has a random value when it is absent.
    pub fn is_random(&self) -> bool {
        matches!(self, Kind::Integer { default: None, .. })
    }

    /// The default in words; a text is passed through `quote`.
    pub fn default_text(&self, quote: impl FnOnce(String) -> String) -> String {
        match self.default_value() {
            Some(Value::String(text)) => quote(text),
            Some(value) => value.to_string().trim_end_matches(".0").to_owned(),
            None if self.is_random() => "random".to_owned(),
            None => "none".to_owned(),
        }
    }

    /// Which part of a value is wrong, as the end of a sentence; empty if that is plain.
    pub(super) fn wrong_part(&self, value: &Value) -> String {
        let Kind::Colors { .. } = self else {
            return String::new();
        };
        let entries = entries(value.as_str().unwrap_or_default());
        let wrong = entries
            .iter()
            .position(|entry| entry.parse::<Rgb>().is_err());
        match wrong {
            Some(index) if entries.len() > 1 => {
                let what = if entries[index].is_empty() {
                    "empty"
                } else {
                    "not a colour"
                };
                format!("; entry {} of {} is {what}", index + 1, entries.len())
            }
            _ => String::new(),
        }
    }

    /// Which values are allowed, in words that follow "must be".
    pub fn allowed(&self) -> String {
        match *self {
            Kind::Text { max_length, .. } => format!("a text of at most {max_length} characters"),
            Kind::Integer { min, max, .. } => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max, .. } => format!("a number from {min} to {max}"),
            Kind::Boolean { .. } => "true or false".to_owned(),
            Kind::Color { or_none, .. } => {
                let none = if or_none { ", or none" } else { "" };
                format!("a colour of the form #rrggbb or #rgb{none}")
            }
            Kind::Colors { max } => {
                format!("1 to {max} colours of the form #rrggbb or #rgb, separated by commas")
            }
            Kind::Choice { choices, .. } => format!("one of {}", choices.join(", ")),
            Kind::File { content } => format!(
                "{content} of at most {} MiB, as a data URL or an http(s) address",
                MAX_FILE_BYTES >> 20
            ),
        }
    }

    /// The value that a text on the command line stands for. Where a number, `true` or `false` is expected and the
    /// text is not one, it stays a text, which the checks then reject.
    pub fn parse(&self, text: &str) -> Value {
        let trimmed = text.trim();
        let whole = || trimmed.parse::<i64>().ok().map(Number::from);
        let fraction = || trimmed.parse().ok().and_then(Number::from_f64);
        let value = match *self {
            Kind::Integer { .. } => whole().or_else(fraction).map(Value::Number),
            Kind::Number { .. } => fraction().map(Value::Number),
            Kind::Boolean { .. } => trimmed.parse().ok().map(Value::Bool),
            Kind::Text { .. }
            | Kind::Color { .. }
            | Kind::Colors { .. }
            | Kind::Choice { .. }
            | Kind::File { .. } => None,
        };
        value.unwrap_or_else(|| text.into())
    }

    /// Whether `null` is a value: nothing at all, where there is no default.
    pub(super) fn can_be_off(&self) -> bool {
        self.default_value().is_none() && !self.is_random()
    }

    /// Every limit that a value breaks. Whole numbers may be written with a zero fraction, as in
    /// `4.0`.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        match *self {
            _ if value.is_null() && self.can_be_off() => Vec::new(),
            Kind::Text { max_length, .. } => check_text(value, |text| length(text, max_length)),
            Kind::Integer { min, max, .. } => {
                let mut found = range(value, min as f64, max as f64);
                if value.as_f64().is_none_or(|number| number.fract() != 0.0) {
                    found.push(Violation::NotOfType("integer"));
                }
                found
            }
            Kind::Number { min, max, .. } if value.is_number() => range(value, min, max),
            Kind::Number { .. } => vec![Violation::NotOfType("number")],
            Kind::Boolean { .. } if value.is_boolean() => Vec::new(),
            Kind::Boolean { .. } => vec![Violation::NotOfType("boolean")],
            Kind::Color { or_none, .. } => check_text(value, |text| {
                let wrong = text.parse::<Rgb>().is_err() && !(or_none && text == NO_COLOR);
                let pattern = if or_none {
                    PAPER_PATTERN
                } else {
                    COLOR_PATTERN
                };
                wrong.then_some(Violation::NoMatch(pattern))
            }),
            Kind::Colors { .. } => check_text(value, |text| {
                let wrong = colors(text).is_none();
                wrong.then_some(Violation::NoMatch(COLORS_PATTERN))
            }),
            Kind::Choice { choices, .. } => {
                let known = value.as_str().is_some_and(|text| choices.contains(&text));
                let unknown = (!known).then_some(Violation::NotOneOf(choices));
                let type_error = check_text(value, |_| None);
                unknown.into_iter().chain(type_error).collect()
            }
            Kind::File { .. } => check_text(value, |_| None),
        }
    }
}

/// The colours in a text of [`COLORS_PATTERN`].
pub(super) fn colors(text: &str) -> Option<Vec<Rgb>> {
    entries(text)
        .into_iter()
        .map(|entry| entry.parse().ok())
        .collect()
}

/// What is between commas, and what is between spaces there. An entry may be empty.
fn entries(text: &str) -> Vec<&str> {
    let parts = text.split(',').map(|part| part.trim_matches(' '));
    parts
        .flat_map(|part| {
            let words = part.split(' ').filter(|word| !word.is_empty());
            words.chain(part.is_empty().then_some(part))
        })
        .collect()
}

fn check_text(value: &Value, check: impl FnOnce(&str) -> Option<Violation>) -> Vec<Violation> {
    let found = match value.as_str() {
        Some(text) => check(text),
        None => Some(Violation::NotOfType("string")),
    };
    found.into_iter().collect()
}

fn length(text: &str, max_length: usize) -> Option<Violation> {
    // `nth` stops counting early, however long the text is.
    (text.chars().nth(max_length).is_some()).then_some(Violation::TooLong(max_length))
}

/// A value that is not a number breaks no limit of numbers. The conversion to `f64` keeps the
/// order, and every limit is small enough to be exact.
fn range(value: &Value, min: f64, max: f64) -> Vec<Violation> {
    let found = value.as_f64().and_then(|number| {
        if number < min {
            Some(Violation::BelowMinimum(min))
        } else {
            (number > max).then_some(Violation::AboveMaximum(max))
        }
    });
    found.into_iter().collect()
}

/// The whole number in a JSON value, also when it is written as `4.0` or `4e2`.
pub(super) fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= MAX_SEED as f64).then_some(number as i64)
    })
}

/// A number as JSON, without the fraction if it is zero: `4`, not `4.0`.
pub(crate) fn shortest_number(number: f64) -> Value {
    if number.fract() == 0.0 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
