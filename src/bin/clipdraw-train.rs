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
    /// Put the texts together that the text tower learns from.
    Corpus(command::text::CorpusArguments),
    /// Teach the text tower, or go on where it stopped.
    Text(command::text::TextArguments),
    /// Tell how close a text tower is to the teacher.
    TextReport(command::text::TextReportArguments),
    /// Put a text tower and an image tower into one weight file.
    Export(command::export::ExportArguments),
    /// Draw a list of prompts, and let a judge say what it reads in them.
    Drawings(command::drawings::DrawingsArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().step {
        Step::Image(arguments) => arguments.run(),
        Step::Corpus(arguments) => arguments.run(),
        Step::Text(arguments) => arguments.run(),
        Step::TextReport(arguments) => arguments.run(),
        Step::Export(arguments) => arguments.run(),
        Step::Drawings(arguments) => arguments.run(),
    }
}
