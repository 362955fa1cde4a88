//! The `clipdraw` command: its subcommands, their flags, and what they print.

pub mod weights;
pub mod arguments;
pub mod inputs;
pub mod report;
pub mod output;
pub mod version;
pub mod model;
pub mod predict;

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

pub use arguments::Arguments;
use arguments::Command;

/// Runs the subcommand that was asked for.
///
/// # Errors
/// Whatever keeps it from doing its work.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        _ if arguments.version => writeln!(std::io::stdout(), "{}", version::describe())?,
        Some(Command::Predict(arguments)) => return predict::run(arguments),
        Some(Command::Weights(arguments)) => return arguments.run(),
        None => Arguments::command().print_help()?,
    }
    Ok(ExitCode::SUCCESS)
}
