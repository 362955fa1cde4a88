//! The `clipdraw` command. Each subcommand has one module with its arguments and its `run`.

mod signals;
mod atomic_file;
mod standard_output;
mod measured_arithmetic;
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

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
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
use crate::inputs::FIELDS;

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
    /// Draw for the front ends that share a broker with this machine.
    Work(Box<WorkArguments>),
    /// List, show, retry or drop predictions that were given up because a worker was lost each time they were drawn.
    Queue(Box<QueueArguments>),
    /// Start a server on this machine and open its page in the browser, to draw and to watch.
    Studio(Box<StudioArguments>),
    /// Compare a device with the processor, and measure its speed.
    Check(CheckArguments),
    /// List, download and verify CLIP weights.
    Weights(WeightsArguments),
    /// Print the OpenAPI document of the server.
    Schema(SchemaArguments),
}

/// The arguments of this process. After `--help` or an error, the process ends.
pub fn arguments() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| with_tip(error).exit())
}

/// Adds a tip to the error if an input of `clipdraw predict` was given without `-i`, or its value without quotes.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if !usage.is_some_and(|usage| usage.contains("clipdraw predict")) {
        return error;
    }
    let name = argument.trim_start_matches('-').replace('-', "_");
    let tip = if !argument.starts_with('-') {
        "inputs are given with -i, in quotes if they contain spaces: -i prompt=\"a red fox\""
            .to_owned()
    } else if FIELDS.iter().any(|field| field.name == name) {
        format!("inputs are given with -i: -i {name}=VALUE")
    } else {
        return error;
    };
    error.remove(ContextKind::SuggestedArg);
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
    );
    error
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
    use clap::parser::ValueSource;

    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_the_help_lists_every_input() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let predict = command.find_subcommand_mut("predict").unwrap();
        let help = predict.render_long_help().to_string();
        assert!(FIELDS.iter().all(|field| help.contains(field.name)));
    }

    #[test]
    fn an_input_without_i_or_quotes_is_an_error_with_a_tip() {
        let quotes = "tip: inputs are given with -i, in quotes if they contain spaces: -i prompt=\"a red fox\"";
        for (arguments, tip) in [
            (vec!["predict", "a red fox"], Some(quotes)),
            (
                vec!["predict", "-i", "prompt=a", "red", "fox"],
                Some(quotes),
            ),
            (
                vec!["predict", "--prompt", "a fox"],
                Some("tip: inputs are given with -i: -i prompt=VALUE"),
            ),
            (
                vec!["predict", "--num-paths=3"],
                Some("tip: inputs are given with -i: -i num_paths=VALUE"),
            ),
            (vec!["predict", "--colour"], None),
            (vec!["serve", "a red fox"], None),
        ] {
            let arguments = ["clipdraw"].into_iter().chain(arguments);
            let text = with_tip(Arguments::try_parse_from(arguments).unwrap_err()).to_string();
            let tips: Vec<_> = text.lines().filter(|line| line.contains("tip:")).collect();
            let expected: Vec<_> = tip.into_iter().collect();
            let found: Vec<_> = tips.iter().map(|line| line.trim()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_broker_of_queue_is_named_before_or_after_the_action() {
        for arguments in [
            ["queue", "list", "--broker", "redis://a"],
            ["queue", "--broker", "redis://a", "list"],
        ] {
            let arguments = ["clipdraw"].into_iter().chain(arguments);
            let matches = Arguments::command()
                .try_get_matches_from(arguments)
                .unwrap();
            let queue = matches.subcommand_matches("queue").unwrap();
            assert_eq!(queue.value_source("broker"), Some(ValueSource::CommandLine));
        }
    }
}
