//! The steps of `scripts/train` that are written in Rust.

use clap::{Parser, Subcommand};
use clipdraw_training::command;

#[derive(Debug, Parser)]
#[command(about, version)]
struct TrainArguments {
    #[command(subcommand)]
    step: TrainStep,
}

#[derive(Debug, Subcommand)]
enum TrainStep {
    /// List the pictures of all packages that are worth learning from, and what they show.
    Catalogue(command::pictures::CatalogueArguments),
    /// Render the catalogue into the packs `icons` and `tests`.
    Render(command::pictures::RenderArguments),
    /// Render the drawings made for this project into the pack `subjects`.
    Subjects(command::pictures::SubjectsArguments),
    /// Repaint pictures with strokes, into the pack `paintings`.
    Paintings(command::pictures::PaintingsArguments),
    /// Make the pack `scribbles`.
    Scribbles(command::pictures::ScribblesArguments),
    /// List every caption of every pack.
    Captions(command::pictures::CaptionsArguments),
    /// Lay out some pictures of each set of a pack, for inspection.
    Sheet(command::pictures::SheetArguments),
    /// Write the credits of all sources.
    Notice(command::pictures::NoticeArguments),
    /// Train an image tower, or resume its training.
    Image(command::image::ImageArguments),
    /// Collect the texts that the text tower is trained with.
    Corpus(command::text::CorpusArguments),
    /// Train the text tower, or resume its training.
    Text(command::text::TextArguments),
    /// Report how close a text tower is to the teacher.
    TextReport(command::text::TextReportArguments),
    /// Write a text tower and image towers into one weight file.
    Export(command::export::ExportArguments),
    /// Draw a list of prompts, and rank the prompts with a classifier.
    Drawings(command::drawings::DrawingsArguments),
}

fn main() -> anyhow::Result<()> {
    match TrainArguments::parse().step {
        TrainStep::Catalogue(arguments) => arguments.run(),
        TrainStep::Render(arguments) => arguments.run(),
        TrainStep::Subjects(arguments) => arguments.run(),
        TrainStep::Paintings(arguments) => arguments.run(),
        TrainStep::Scribbles(arguments) => arguments.run(),
        TrainStep::Captions(arguments) => arguments.run(),
        TrainStep::Sheet(arguments) => arguments.run(),
        TrainStep::Notice(arguments) => arguments.run(),
        TrainStep::Image(arguments) => arguments.run(),
        TrainStep::Corpus(arguments) => arguments.run(),
        TrainStep::Text(arguments) => arguments.run(),
        TrainStep::TextReport(arguments) => arguments.run(),
        TrainStep::Export(arguments) => arguments.run(),
        TrainStep::Drawings(arguments) => arguments.run(),
    }
}
