//! The steps of `clipdraw-train` from packages to packs.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::folder::WorkFolder;
use crate::sources::catalogue::{Catalogue, read_sources};
use crate::{caption_list, contact_sheet, icon_packs, notice, packs, painted_packs, subject_pack};

/// Options of `catalogue`.
#[derive(Debug, Args)]
pub struct CatalogueArguments {
    #[command(flatten)]
    folder: WorkFolder,
}

impl CatalogueArguments {
    /// Writes the catalogue of the packages in the work folder.
    ///
    /// # Errors
    /// When a package is missing or malformed.
    pub fn run(&self) -> anyhow::Result<()> {
        let catalogue = Catalogue::of_packages(&self.folder.file("packages"))?;
        catalogue.write(self.folder.path())?;
        print(&format!("{} pictures", catalogue.entries.len()));
        Ok(())
    }
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct RenderArguments {
    #[command(flatten)]
    folder: WorkFolder,
}

impl RenderArguments {
    /// Renders the catalogue.
    ///
    /// # Errors
    /// When there is no catalogue or a pack cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let outcome = icon_packs::render(self.folder.path())?;
        for (set, kept) in &outcome.kept {
            print(&format!("{kept:6} {set}"));
        }
        print(&format!(
            "{} pictures could not be rendered, {} were there already",
            outcome.failed, outcome.repeated
        ));
        Ok(())
    }
}

/// Options of `subjects`.
#[derive(Debug, Args)]
pub struct SubjectsArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The folder of drawings.
    #[arg(long, default_value = "training/subjects")]
    drawings: PathBuf,
}

impl SubjectsArguments {
    /// Renders the drawings made for this project.
    ///
    /// # Errors
    /// When a drawing is missing or cannot be rendered.
    pub fn run(&self) -> anyhow::Result<()> {
        let count = subject_pack::render(&self.drawings, self.folder.path())?;
        print(&format!("{count} drawings"));
        Ok(())
    }
}

/// Options of `paintings`.
#[derive(Debug, Args)]
pub struct PaintingsArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// How many paintings; if there are fewer pictures, they are painted several times, each time
    /// differently.
    #[arg(long, default_value_t = 15_000)]
    count: usize,
}

impl PaintingsArguments {
    /// Paints.
    ///
    /// # Errors
    /// When there is nothing to paint or the pack cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let count = painted_packs::paint(self.folder.path(), self.count)?;
        print(&format!("{count} paintings"));
        Ok(())
    }
}

/// Options of `scribbles`.
#[derive(Debug, Args)]
pub struct ScribblesArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// How many scribbles.
    #[arg(long, default_value_t = 3000)]
    count: usize,
}

impl ScribblesArguments {
    /// Scribbles.
    ///
    /// # Errors
    /// When the pack cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        painted_packs::scribbles(self.folder.path(), self.count)?;
        print(&format!("{} scribbles", self.count));
        Ok(())
    }
}

/// Options of `captions`.
#[derive(Debug, Args)]
pub struct CaptionsArguments {
    #[command(flatten)]
    folder: WorkFolder,
}

impl CaptionsArguments {
    /// Lists the captions of all packs.
    ///
    /// # Errors
    /// When a pack cannot be read.
    pub fn run(&self) -> anyhow::Result<()> {
        let count = caption_list::write(self.folder.path()).context("listing the captions")?;
        print(&format!("{count} captions"));
        Ok(())
    }
}

/// Options of `sheet`.
#[derive(Debug, Args)]
pub struct SheetArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The pack.
    #[arg(long)]
    pack: String,
    /// The picture to write; a text file of the same name lists its contents.
    #[arg(long)]
    out: PathBuf,
    /// Chooses the pictures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl SheetArguments {
    /// Lays out pictures of each set.
    ///
    /// # Errors
    /// When the pack cannot be read or the sheet cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let pack = self.folder.pack(&self.pack);
        Ok(contact_sheet::write(&pack, &self.out, self.seed)?)
    }
}

/// Options of `notice`.
#[derive(Debug, Args)]
pub struct NoticeArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The file to write.
    #[arg(long, default_value = "NOTICE")]
    out: PathBuf,
}

impl NoticeArguments {
    /// Writes the credits, from the manifest of the packs.
    ///
    /// # Errors
    /// When there is no manifest or the file cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let manifest = packs::folder(self.folder.path()).join(packs::MANIFEST);
        let text = notice::text(&read_sources(&manifest)?);
        fs::write(&self.out, text).with_context(|| format!("writing {}", self.out.display()))
    }
}

fn print(line: &str) {
    // A closed standard output is not an error.
    let _ = writeln!(std::io::stdout(), "{line}");
}
