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
    /// Draw a list of prompts, and let a judge say what it reads in them.
    Drawings(command::drawings::DrawingsArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().step {
        Step::Image(arguments) => arguments.run(),
        Step::Drawings(arguments) => arguments.run(),
    }
}
