//! The command of the program.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with arguments, to be run in a folder, with the embedded model.
pub(crate) fn clipdraw(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    // No full-size weights of the machine may take the place of the embedded model.
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("CLIPDRAW_WEIGHTS")
        .env("CLIPDRAW_WEIGHTS_DIR", folder.join("no weights"))
        .stdin(Stdio::null());
    command
}

/// Runs it. Returns its output, and what it wrote to standard error.
pub(crate) fn run(arguments: &[&str], folder: &Path) -> (Output, String) {
    let output = clipdraw(arguments, folder).output().unwrap();
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    (output, errors)
}
