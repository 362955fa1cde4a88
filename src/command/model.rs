//! The arguments that select a model and a device, and the model that they select.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::OsStringValueParser;

use crate::clip::{Clip, EMBEDDED_SHA256, WeightsSource};
use crate::compute::{DeviceChoice, Precision, device_names, library};
use crate::environment;
use crate::model_store::{Folders, StoreError, choose, sha256_of_file};
use crate::output::Provenance;

/// The arguments of every subcommand that uses a model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Computation")]
pub(super) struct ComputeArguments {
    /// Device: auto, cpu, cuda, cuda:N or mps.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Precision of CLIP: auto, fp32, bf16 or fp16.
    #[arg(long, default_value = "auto")]
    precision: Precision,
    #[command(flatten)]
    weights: WeightsChoice,
    /// Number of threads. Default: one per core. It changes the speed, not the drawing.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Debug, Clone, Args)]
struct WeightsChoice {
    /// CLIP weights: a name from `clipdraw weights list`, or a file.
    ///
    /// Without it: the best full-size weights on this machine, else the embedded model.
    #[arg(long, value_name = "NAME|PATH", env = environment::WEIGHTS)]
    weights: Option<String>,
    #[command(flatten)]
    folder: WeightsFolder,
}

/// The argument for the folder with weights.
#[derive(Debug, Clone, Args)]
pub(super) struct WeightsFolder {
    /// Folder with CLIP weights, used instead of the default folders.
    #[arg(long, value_name = "FOLDER", env = environment::WEIGHTS_DIR, global = true, value_parser = OsStringValueParser::new())]
    weights_dir: Option<OsString>,
}

impl ComputeArguments {
    /// Sets the number of threads for the whole process. It can be set once, before anything is computed.
    ///
    /// # Errors
    /// If the threads are running already.
    pub(super) fn set_threads(&self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            library::set_threads(threads.into());
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.into())
                .build_global()
                .context("--threads")?;
        }
        Ok(())
    }

    /// Finds the device and the weights without loading them, so that wrong arguments are reported
    /// early.
    ///
    /// # Errors
    /// If the device or the weights are unknown or not on this machine.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.device.resolve().context("--device")?;
        self.weights.resolve().context("--weights")?;
        Ok(())
    }

    /// Loads the model. It can be loaded again, after a fault.
    ///
    /// # Errors
    /// If there is no such device, or the weights cannot be read.
    pub(super) fn load_model(&self) -> anyhow::Result<(Clip, Provenance)> {
        let device = self.device.resolve()?;
        let weights = self.weights.resolve()?;
        let clip = Clip::load(&weights, device, self.precision.kind(device))?;
        let checksum = match &weights {
            WeightsSource::Embedded => EMBEDDED_SHA256.to_owned(),
            WeightsSource::File(path) => sha256_of_file(path)
                .with_context(|| format!("{} cannot be read", path.display()))?,
        };
        let provenance = Provenance {
            model: clip.name(),
            weights_sha256: checksum,
            device: device_names(&[device]),
            precision: self.precision.resolved(device).to_string(),
        };
        Ok((clip, provenance))
    }
}

impl WeightsChoice {
    fn resolve(&self) -> Result<WeightsSource, StoreError> {
        // An empty value counts as unset: Compose and CI files set unused variables to it.
        let name = self.weights.as_deref().filter(|name| !name.is_empty());
        choose(name, &self.folder.folders())
    }
}

impl WeightsFolder {
    /// The folders to search for weights.
    pub(super) fn folders(&self) -> Folders {
        // An empty value counts as unset, as above.
        let named = self
            .weights_dir
            .as_ref()
            .filter(|folder| !folder.is_empty());
        Folders::new(named.map(PathBuf::from))
    }
}
