//! Inputs that are not allowed, told in two voices: a sentence for the person at the command line,
//! and the entries of Cog's server for a caller over HTTP.

use std::fmt;

use super::field::FIELDS;
use super::quote::Quote;
use super::violation::Violation;
use crate::cog::Detail;

/// One input that is not allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InputError {
    /// The input's name.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an input. Its display is the sentence for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// There is no input of that name.
    UnknownName,
    /// The value breaks limits of the table.
    Limits {
        /// The value.
        value: Quote,
        /// The limits, never none.
        violations: Vec<Violation>,
        /// What is allowed, in words that follow "must be".
        allowed: String,
    },
    /// The value breaks a rule that no limit can say.
    Rule {
        /// The value.
        value: Quote,
        /// What it breaks, as a clause.
        rule: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName => {
                let names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
                let names = names.join(", ");
                write!(formatter, "there is no such input; allowed are {names}")
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

impl InputError {
    /// The messages of Cog's server, one for each limit; ours where Cog has no word for a rule.
    fn details(&self) -> Vec<Detail> {
        let messages = match &self.problem {
            Problem::Limits {
                value, violations, ..
            } => violations
                .iter()
                .map(|violation| violation.message(value))
                .collect(),
            other => vec![other.to_string()],
        };
        messages
            .into_iter()
            .map(|message| Detail::input(&self.field, message))
            .collect()
    }
}

/// All inputs that are not allowed, never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct InputErrors(pub Vec<InputError>);

impl InputErrors {
    /// The entries of the answer over HTTP, in the order of Cog's server: by the input's name.
    pub fn details(&self) -> Vec<Detail> {
        let mut errors: Vec<_> = self.0.iter().collect();
        errors.sort_by_key(|error| &error.field);
        errors.into_iter().flat_map(InputError::details).collect()
    }
}

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
