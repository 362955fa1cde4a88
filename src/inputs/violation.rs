//! The limits of an input as a JSON schema can say them, and the words of Cog's server for a value
//! that breaks one.
//!
//! Cog's server (coglet 0.23.1) checks inputs with the crate `jsonschema` 0.29 and passes its
//! messages on.

use serde_json::Value;

use super::field::{COLOR_PATTERN, Field, Kind};
use super::quote::Quote;
use crate::scene::Rgb;

/// One limit that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Violation {
    /// It is none of the words to choose from.
    NotOneOf(&'static [&'static str]),
    /// It is less than this.
    BelowMinimum(f64),
    /// It is greater than this.
    AboveMaximum(f64),
    /// It has fewer characters than this.
    TooShort(usize),
    /// It has more characters than this.
    TooLong(usize),
    /// It does not match this regular expression.
    NoMatch(&'static str),
    /// It is not of this JSON type.
    NotOfType(&'static str),
}

impl Violation {
    /// The message of Cog's server about the quoted value.
    pub fn message(&self, value: &Quote) -> String {
        let characters = |count: usize| {
            if count == 1 {
                "character"
            } else {
                "characters"
            }
        };
        match *self {
            Self::NotOneOf(words) => {
                let words = Quote::of(&words.into());
                format!("{value} is not one of {words}")
            }
            Self::BelowMinimum(least) => format!("{value} is less than the minimum of {least}"),
            Self::AboveMaximum(most) => format!("{value} is greater than the maximum of {most}"),
            Self::TooShort(least) => {
                format!("{value} is shorter than {least} {}", characters(least))
            }
            Self::TooLong(most) => format!("{value} is longer than {most} {}", characters(most)),
            Self::NoMatch(pattern) => format!("{value} does not match \"{pattern}\""),
            Self::NotOfType(name) => format!("{value} is not of type \"{name}\""),
        }
    }
}

impl Field {
    /// Every limit that a value breaks, in the order in which Cog's server names them. Whole
    /// numbers may be written with a zero fraction, as in `4.0`.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        match self.kind {
            Kind::Text { longest, .. } => string(value, |text| length(text, longest)),
            Kind::Integer { least, most, .. } => {
                let mut found = range(value, least as f64, most as f64);
                if value.as_f64().is_none_or(|number| number.fract() != 0.0) {
                    found.push(Violation::NotOfType("integer"));
                }
                found
            }
            Kind::Number { least, most, .. } if value.is_number() => range(value, least, most),
            Kind::Number { .. } => vec![Violation::NotOfType("number")],
            Kind::Color { .. } => string(value, |text| {
                let wrong = text.parse::<Rgb>().is_err();
                wrong.then_some(Violation::NoMatch(COLOR_PATTERN))
            }),
            Kind::Choice { choices, .. } => {
                let known = value.as_str().is_some_and(|text| choices.contains(&text));
                let unknown = (!known).then_some(Violation::NotOneOf(choices));
                unknown.into_iter().chain(string(value, |_| None)).collect()
            }
        }
    }
}

fn string(value: &Value, check: impl FnOnce(&str) -> Option<Violation>) -> Vec<Violation> {
    let found = match value.as_str() {
        Some(text) => check(text),
        None => Some(Violation::NotOfType("string")),
    };
    found.into_iter().collect()
}

fn length(text: &str, longest: usize) -> Option<Violation> {
    if text.is_empty() {
        return Some(Violation::TooShort(1));
    }
    // Counting stops early in a text of any size.
    (text.chars().nth(longest).is_some()).then_some(Violation::TooLong(longest))
}

/// What is no number breaks no limit of numbers. The conversion to `f64` keeps the order, and no
/// limit is so large that it is rounded.
fn range(value: &Value, least: f64, most: f64) -> Vec<Violation> {
    let found = value.as_f64().and_then(|number| {
        if number < least {
            Some(Violation::BelowMinimum(least))
        } else {
            (number > most).then_some(Violation::AboveMaximum(most))
        }
    });
    found.into_iter().collect()
}
