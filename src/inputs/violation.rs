//! The limits of an input as a JSON schema can express them.

/// One limit that a value breaks. Each is a keyword of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// `enum`: it is none of these words.
    NotOneOf(&'static [&'static str]),
    /// `minimum`: it is less than this.
    BelowMinimum(f64),
    /// `maximum`: it is greater than this.
    AboveMaximum(f64),
    /// `maxLength`: it has more characters than this.
    TooLong(usize),
    /// `pattern`: it does not match this regular expression.
    NoMatch(&'static str),
    /// `type`: it is not of this JSON type.
    NotOfType(&'static str),
}
