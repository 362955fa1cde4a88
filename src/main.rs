//! The `clipdraw` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clipdraw::command::{Arguments, Command, predict, version, weights};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        _ if arguments.version => print(&version::describe()),
        Some(Command::Predict(arguments)) => predict::run(arguments),
        Some(Command::Weights(arguments)) => weights::run(arguments),
        None => print("see clipdraw --help"),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
