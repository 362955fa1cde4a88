//! The characters of prompts: separators, and those that a backslash makes plain.

/// Separates prompts.
pub(super) const BAR: char = '|';

/// Separates a prompt from its weight.
pub(super) const COLON: char = ':';

/// Makes a separator after it, or another backslash, a plain character.
const BACKSLASH: char = '\\';

/// A character of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Symbol {
    pub(super) character: char,
    /// Whether it stands after a backslash, and so separates nothing.
    pub(super) is_plain: bool,
}

impl Symbol {
    /// Whether it is this separator.
    pub(super) fn separates(self, separator: char) -> bool {
        self.character == separator && !self.is_plain
    }
}

/// The characters of a text; a backslash before a separator or another backslash is left out.
pub(super) fn symbols(text: &str) -> Vec<Symbol> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let escaped = if character == BACKSLASH {
            rest.next_if(|next| matches!(*next, BAR | COLON | BACKSLASH))
        } else {
            None
        };
        symbols.push(Symbol {
            character: escaped.unwrap_or(character),
            is_plain: escaped.is_some(),
        });
    }
    symbols
}

/// Whether the characters on both sides of a colon are digits, as in `12:30`.
pub(super) fn is_between_digits(part: &[Symbol], colon: usize) -> bool {
    let is_digit =
        |symbol: Option<&Symbol>| symbol.is_some_and(|symbol| symbol.character.is_ascii_digit());
    is_digit(part[..colon].last()) && is_digit(part.get(colon + 1))
}

/// The characters, without spaces around them.
pub(super) fn text_of(symbols: &[Symbol]) -> String {
    let text: String = symbols.iter().map(|symbol| symbol.character).collect();
    text.trim().to_owned()
}
