//! The `clipdraw` command: its subcommands, their flags, and what they print.

pub mod weights;
pub mod schema;
pub mod compute_arguments;
pub mod serve_arguments;
pub mod arguments;
pub mod inputs;
pub mod progress;
pub mod output;
pub mod version;
pub mod model;
pub mod predict;
mod signals;
mod serve_settings;
pub mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

pub use arguments::Arguments;
use arguments::Command;

/// Runs the chosen subcommand and returns the exit status.
///
/// # Errors
/// The error of the subcommand.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        _ if arguments.version => writeln!(std::io::stdout(), "{}", version::describe())?,
        Some(Command::Predict(arguments)) => return predict::run(arguments),
        Some(Command::Serve(arguments)) => return serve::run(arguments),
        Some(Command::Weights(arguments)) => return weights::run(arguments),
        Some(Command::Schema(arguments)) => return schema::run(arguments),
        None => Arguments::command().print_help()?,
    }
    Ok(ExitCode::SUCCESS)
}
