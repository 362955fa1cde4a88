//! The `clipdraw` command: its subcommands, their flags, and what they print.

pub mod weights;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Turns a prompt into a vector drawing.
#[derive(Debug, Parser)]
#[command(name = "clipdraw", version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists, fetches and verifies CLIP weights.
    Weights(weights::WeightsArguments),
}

/// Runs the subcommand that was asked for.
///
/// # Errors
/// Whatever keeps it from doing its work.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Weights(weights) => weights.run(),
    }
}
