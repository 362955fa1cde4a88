//! `clipdraw-train export`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use tch::Device;

use super::say::say;
use crate::export::{ImageTowerWeights, export};
use crate::image::averaged;
use crate::tensor_file::{self, write_bytes};
use crate::text_report::likeness;
use crate::text_tower::TrainableTextTower;
use crate::tower::Tower;
use clipdraw::clip::EfficientNetSize;
use clipdraw::clip::authoring::{shapes, tower_branch};
use clipdraw::compute::library;
use clipdraw::model_store::sha256_of_file;

/// Beginning of the names of a run's averaged numbers (`parameters::save`).
const AVERAGE: &str = "average/";

/// Options of the step.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The text tower: a run of the step `text`, or a weight file.
    #[arg(long)]
    text: PathBuf,
    /// The image tower: a run of the step `image`, whose averaged weights are used, or a weight file. Several
    /// towers take turns with the views.
    #[arg(long, required = true)]
    image: Vec<PathBuf>,
    /// Side in pixels of the pictures that a run was trained on.
    #[arg(long, default_value_t = 64)]
    side: i64,
    /// The weight file to write.
    #[arg(long)]
    output: PathBuf,
}

impl ExportArguments {
    /// Writes the weight file and prints its size, its SHA-256 and the effect of rounding on the text
    /// tower.
    ///
    /// # Errors
    /// When a tower cannot be read, does not fit, or the file cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        library::use_one_thread();
        let text = TrainableTextTower::open(&self.text)?;
        let embedding = text.sizes().embedding;
        let images = self.image.iter();
        let images: Vec<_> = images
            .map(|file| self.image_tower(file, embedding))
            .collect::<Result<_, _>>()?;
        let bytes = export(&text, &images)?;
        write_bytes(&self.output, &bytes)?;
        let smallest = likeness(&text, &TrainableTextTower::open(&self.output)?)?;
        say(&format!(
            "{}: {} bytes, sha256 {}",
            self.output.display(),
            bytes.len(),
            sha256_of_file(&self.output)?
        ));
        say(&format!(
            "smallest cosine of a text before and after: {smallest:.6}"
        ));
        Ok(())
    }

    fn image_tower(&self, path: &Path, embedding: i64) -> anyhow::Result<ImageTowerWeights> {
        let file = tensor_file::read(path)?;
        if file.tensors.keys().any(|name| name.starts_with(AVERAGE)) {
            let size = EfficientNetSize::lite0();
            let tower = Tower(size);
            let parameters = averaged(tower, &file, embedding, Device::Cpu)?;
            return Ok(ImageTowerWeights::of_training(
                &size,
                &parameters,
                self.side,
            ));
        }
        ensure!(
            shapes(&file.tensors, &tower_branch(1)).is_empty(),
            "{} has several image towers: name the runs that they come from",
            path.display()
        );
        ImageTowerWeights::of_file(file)
            .with_context(|| format!("{} has no image tower", path.display()))
    }
}
