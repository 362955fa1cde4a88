//! The command line's top level: the subcommands and `--version`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::compute_arguments::ComputeArguments;
use super::schema::SchemaArguments;
use super::serve_arguments::ServeArguments;
use super::weights::WeightsArguments;
use crate::inputs::{FIELDS, Field};

/// Turns a prompt into a vector drawing.
#[derive(Debug, Parser)]
#[command(
    name = "clipdraw",
    disable_version_flag = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// Print the version, libtorch's version, the devices and the precision of each.
    #[arg(short = 'V', long)]
    pub version: bool,
    /// The subcommand to run.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw a prompt.
    #[command(after_help = inputs_help())]
    Predict(PredictArguments),
    /// Answer requests for drawings over HTTP, in the protocol of Cog.
    Serve(Box<ServeArguments>),
    /// List, fetch and verify CLIP weights.
    Weights(WeightsArguments),
    /// Print the OpenAPI document of the server.
    Schema(SchemaArguments),
}

/// `clipdraw predict`.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// An input; `name=@path` reads its value from a file. Can be given several times.
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// Inputs as a JSON object, from a file or from standard input (-); `-i` overrides it.
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<String>,
    /// Where to write the drawing; the extension .svg or .png selects the format, - means standard output.
    /// Default: drawing.svg, or drawing.png with `output_format=png`.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder for the intermediate frames.
    #[arg(long, value_name = "DIR")]
    pub frames: Option<PathBuf>,
    /// Size of a PNG in pixels per pixel of the canvas.
    #[arg(long, default_value_t = 1.0, value_name = "SCALE")]
    pub png_scale: f32,
    /// Show nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Device, precision, weights and threads.
    #[command(flatten)]
    pub compute: ComputeArguments,
}

fn inputs_help() -> String {
    let entries: Vec<String> = FIELDS.iter().map(input_help).collect();
    format!("Inputs:\n{}", entries.join("\n"))
}

fn input_help(field: &Field) -> String {
    let default = match field.kind.default_value() {
        Some(serde_json::Value::String(text)) => format!("default {text:?}"),
        Some(value) => format!("default {value}"),
        None => "default random".to_owned(),
    };
    format!(
        "  {}\n      {} {}; {default}.",
        field.name,
        field.description,
        capitalized(&field.kind.allowed())
    )
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_every_input_is_in_the_help() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let predict = command.find_subcommand_mut("predict").unwrap();
        let help = predict.render_long_help().to_string();
        assert!(FIELDS.iter().all(|field| help.contains(field.name)));
    }
}
