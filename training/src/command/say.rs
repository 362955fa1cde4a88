//! Progress messages.

use std::io::{self, Write};

/// Writes a line to standard output.
pub fn say(line: &str) {
    // A closed standard output is not an error.
    let _ = writeln!(io::stdout(), "{line}");
}
