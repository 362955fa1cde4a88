//! The `clipdraw` command.

use std::io::{self, Write};
use std::process::ExitCode;

use clipdraw::command;
use clipdraw::errors::chain;
use clipdraw::model_store::StoreError;

fn main() -> ExitCode {
    command::run(&command::arguments()).unwrap_or_else(|error| {
        if command::is_reader_gone(&error) {
            return ExitCode::from(command::READER_GONE_STATUS);
        }
        report(&error);
        ExitCode::FAILURE
    })
}

/// Prints the error with its causes, followed by hints on how to fix it, one per line.
fn report(error: &anyhow::Error) {
    let mut out = io::stderr().lock();
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(out, "error: {}", chain(error.as_ref()));
    let hint = error.downcast_ref().and_then(StoreError::hint);
    for line in hint.iter().flat_map(|hint| hint.lines()) {
        let _ = writeln!(out, "hint: {line}");
    }
}
