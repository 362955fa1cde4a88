//! Why inputs are rejected: as sentences for people, and as data for other formats.

use std::fmt;

use super::quote::Quote;
use super::violation::Violation;

/// One input that is rejected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InputError {
    /// The input's name.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an input. Its display is a sentence for a person.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// There is no input of that name.
    UnknownName {
        /// The input that was probably meant.
        suggestion: Option<&'static str>,
        /// The names of all inputs, separated by commas; said where there is no suggestion.
        allowed: String,
    },
    /// The value breaks limits that a JSON schema can express.
    Limits {
        /// The value.
        value: Quote,
        /// The limits, at least one.
        violations: Vec<Violation>,
        /// Which values are allowed, in words that follow "must be".
        allowed: String,
    },
    /// The value breaks a rule that a JSON schema cannot express.
    Rule {
        /// The value.
        value: Quote,
        /// The rule, or how it is broken, as a clause.
        rule: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName {
                suggestion,
                allowed,
            } => {
                formatter.write_str("there is no such input; ")?;
                match suggestion {
                    Some(suggestion) => write!(formatter, "did you mean `{suggestion}`?"),
                    None => write!(formatter, "allowed are {allowed}"),
                }
            }
            Self::Limits { value, allowed, .. } => {
                let value = value.short();
                write!(formatter, "{value} is not allowed; it must be {allowed}")
            }
            Self::Rule { value, rule } => {
                write!(formatter, "{} is not allowed; {rule}", value.short())
            }
        }
    }
}

/// All inputs that are rejected, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct InputErrors(pub Vec<InputError>);

impl fmt::Display for InputErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}
