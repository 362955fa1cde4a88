//! `clipdraw-train export`.

use std::path::PathBuf;

use clap::Args;

use super::say::say;
use crate::compute::library;
use crate::model_store::checksum;
use crate::training::export::export;
use crate::training::tensor_file::write_bytes;
use crate::training::text_report::likeness;
use crate::training::text_tower::{TextTower, read_checkpoint};

/// Options of the step.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The text tower: a run of the step `text`, or a weight file.
    #[arg(long)]
    text: PathBuf,
    /// The image tower: a file with tensors under `visual.` and the facts that the loader needs about them.
    #[arg(long)]
    image: PathBuf,
    /// The weight file to write.
    #[arg(long)]
    output: PathBuf,
}

impl ExportArguments {
    /// Writes the weight file and tells its size, its SHA-256 and what rounding did to the text tower.
    ///
    /// # Errors
    /// When a tower cannot be read, does not fit, or the file cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        library::use_one_thread();
        let text = TextTower::open(&self.text)?;
        let bytes = export(&text, &read_checkpoint(&self.image)?)?;
        write_bytes(&self.output, &bytes)?;
        let smallest = likeness(&text, &TextTower::open(&self.output)?)?;
        say(&format!(
            "{}: {} bytes, sha256 {}",
            self.output.display(),
            bytes.len(),
            checksum::of_file(&self.output)?
        ));
        say(&format!(
            "smallest cosine of a text before and after: {smallest:.6}"
        ));
        Ok(())
    }
}
