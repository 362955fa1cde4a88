//! The messages of Cog's server about a value that breaks a limit.
//!
//! That server (coglet 0.23.1) checks inputs with the crate `jsonschema` 0.29 and passes its messages
//! on, so each message here is the same byte for byte.

use crate::inputs::{Quote, Violation};

/// The message for a quoted value.
pub(super) fn message(violation: Violation, value: &Quote) -> String {
    let characters = |count: usize| {
        if count == 1 {
            "character"
        } else {
            "characters"
        }
    };
    match violation {
        Violation::NotOneOf(words) => {
            let words = Quote::of(&words.into());
            format!("{value} is not one of {words}")
        }
        Violation::BelowMinimum(min) => format!("{value} is less than the minimum of {min}"),
        Violation::AboveMaximum(max) => format!("{value} is greater than the maximum of {max}"),
        Violation::TooLong(max) => format!("{value} is longer than {max} {}", characters(max)),
        Violation::NoMatch(pattern) => format!("{value} does not match \"{pattern}\""),
        Violation::NotOfType(name) => format!("{value} is not of type \"{name}\""),
    }
}
