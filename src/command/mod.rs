//! The `clipdraw` command. Each subcommand has one module with its arguments and its `run`.

mod signals;
mod atomic_file;
mod standard_output;
mod measured_precision;
mod model;
mod predict;
mod plot;
mod check;
mod serve;
mod work;
mod queue;
mod studio;
mod weights;
mod schema;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::check::CheckArguments;
use self::plot::PlotArguments;
use self::predict::PredictArguments;
use self::queue::QueueArguments;
use self::schema::SchemaArguments;
use self::serve::ServeArguments;
use self::studio::StudioArguments;
use self::weights::WeightsArguments;
use self::work::WorkArguments;

pub use self::standard_output::{READER_GONE_STATUS, is_reader_gone};

/// Turns a prompt into a vector drawing.
#[derive(Debug, Parser)]
#[command(
    name = "clipdraw",
    disable_version_flag = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// Print the versions of the program and of libtorch, the devices, and the default precision of each.
    #[arg(short = 'V', long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw a prompt.
    Predict(PredictArguments),
    /// Prepare a drawing for a pen plotter: SVG in layers, G-code or HPGL.
    Plot(Box<PlotArguments>),
    /// Serve drawings over HTTP, with the API of Cog.
    Serve(Box<ServeArguments>),
    /// Draw for front ends on other machines, with which this machine shares a broker.
    Work(Box<WorkArguments>),
    /// Predictions that were given up because a worker was lost each time they were drawn.
    Queue(Box<QueueArguments>),
    /// Open a page in the browser on which drawings are made and watched, served by this machine.
    Studio(Box<StudioArguments>),
    /// Compare a device with the processor, and measure its speed.
    Check(CheckArguments),
    /// List, download and verify CLIP weights.
    Weights(WeightsArguments),
    /// Print the OpenAPI document of the server.
    Schema(SchemaArguments),
}

/// Runs the chosen subcommand and returns the exit status.
///
/// # Errors
/// The error of the subcommand.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        _ if arguments.version => version::run(),
        Some(Command::Predict(arguments)) => predict::run(arguments),
        Some(Command::Plot(arguments)) => plot::run(arguments),
        Some(Command::Serve(arguments)) => serve::run(arguments),
        Some(Command::Work(arguments)) => work::run(arguments),
        Some(Command::Queue(arguments)) => queue::run(arguments),
        Some(Command::Studio(arguments)) => studio::run(arguments),
        Some(Command::Check(arguments)) => check::run(arguments),
        Some(Command::Weights(arguments)) => weights::run(arguments),
        Some(Command::Schema(arguments)) => schema::run(arguments),
        None => print_help(),
    }
}

fn print_help() -> anyhow::Result<ExitCode> {
    Arguments::command().print_help()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::FIELDS;

    #[test]
    fn the_arguments_are_consistent_and_the_help_lists_every_input() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let predict = command.find_subcommand_mut("predict").unwrap();
        let help = predict.render_long_help().to_string();
        assert!(FIELDS.iter().all(|field| help.contains(field.name)));
    }
}
