//! The steps of `scripts/train` that are written in Rust.

use clap::{Parser, Subcommand};
use clipdraw::training::command;

#[derive(Debug, Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Train an image tower, or go on where it stopped.
    Image(command::image::ImageArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().step {
        Step::Image(arguments) => arguments.run(),
    }
}
