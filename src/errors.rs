//! Formats errors and panics as text, for logs and for the messages that callers get.

use std::any::Any;
use std::error::Error;
use std::fmt::Write as _;

/// An error with all its causes on one line, separated by `: `. Some errors end with the text of their cause; it is
/// not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}

/// The message of a caught panic. The payload of `panic!` is a `String` or a `&str`; any other payload
/// has no message.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_chain_contains_every_cause() {
        assert_eq!(chain(&Outer(io::Error::other("inner"))), "outer: inner");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Repeating(#[source] io::Error);

    #[test]
    fn a_cause_that_an_error_already_contains_is_not_repeated() {
        let error = Repeating(io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
    }

    #[test]
    fn the_message_of_a_panic_is_found_whatever_its_type() {
        assert_eq!(panic_message(&"text"), "text");
        assert_eq!(panic_message(&"text".to_owned()), "text");
        assert_eq!(panic_message(&7), "no message");
    }
}
