//! What a step tells whoever started it.

use std::io::{self, Write};

/// Writes a line to standard output.
pub fn say(line: &str) {
    // Nobody is left to tell if standard output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}
