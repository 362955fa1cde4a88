//! The steps of `scripts/train` that are written in Rust.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use clipdraw::training::sources::catalogue::Catalogue;
use clipdraw::training::{caption_list, icon_packs, painted_packs};

#[derive(Debug, Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Lists the pictures of all packages that are worth learning from, and what they show.
    Catalogue(Folder),
    /// Renders the catalogue into the packs `icons` and `tests`.
    Render(Folder),
    /// Paints pictures of the pack `icons` again with strokes, into the pack `paintings`.
    Paintings(Number),
    /// Makes the pack `scribbles`.
    Scribbles(Number),
    /// Lists every caption of every pack.
    Captions(Folder),
}

#[derive(Debug, Args)]
struct Folder {
    /// The folder of training.
    #[arg(long, env = "CLIPDRAW_TRAINING_FOLDER")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct Number {
    #[command(flatten)]
    folder: Folder,
    /// How many pictures.
    #[arg(long)]
    count: usize,
}

fn main() -> anyhow::Result<()> {
    let report = match Arguments::parse().step {
        Step::Catalogue(Folder { folder }) => catalogue(&folder)?,
        Step::Render(Folder { folder }) => render(&folder)?,
        Step::Paintings(Number { folder, count }) => {
            format!(
                "{} paintings\n",
                painted_packs::paint(&folder.folder, count)?
            )
        }
        Step::Scribbles(Number { folder, count }) => {
            format!(
                "{} scribbles\n",
                painted_packs::scribbles(&folder.folder, count)?
            )
        }
        Step::Captions(Folder { folder }) => {
            format!("{} captions\n", caption_list::write(&folder)?)
        }
    };
    io::stdout()
        .write_all(report.as_bytes())
        .context("the report cannot be written")
}

fn catalogue(folder: &std::path::Path) -> anyhow::Result<String> {
    let catalogue = Catalogue::of_packages(&folder.join("packages"))?;
    catalogue.write(folder)?;
    Ok(format!("{} pictures\n", catalogue.entries.len()))
}

fn render(folder: &std::path::Path) -> anyhow::Result<String> {
    use std::fmt::Write;
    let outcome = icon_packs::render(folder)?;
    let mut report = String::new();
    for (set, kept) in &outcome.kept {
        writeln!(report, "{kept:6} {set}")?;
    }
    writeln!(
        report,
        "{} pictures could not be rendered, {} were there already",
        outcome.failed, outcome.repeated
    )?;
    Ok(report)
}
