//! The arguments that select a model and a device, and the model that they select.

use std::ffi::OsString;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use clap::builder::OsStringValueParser;
use clap::{Args, ValueEnum};
use tch::Device;

use super::measured_arithmetic::{self, ArithmeticChoice};
use crate::clip::{
    Activation, Clip, EMBEDDED_SHA256, LoadOptions, TowerBackend, WeightsSource, weights_files,
};
use crate::compute::graph::GraphMode;
use crate::compute::{DeviceChoice, Precision, device_names, library};
use crate::environment;
use crate::errors::chain;
use crate::model_store::{Folders, StoreError, choose, passed_over, registry, sha256_of_files};
use crate::output::Provenance;

/// A model that is ready to draw.
#[derive(Debug)]
pub(super) struct LoadedModel {
    /// The model.
    pub(super) clip: Clip,
    /// What is written into files about it.
    pub(super) provenance: Provenance,
    /// Warnings about how it was chosen and read, one line each.
    pub(super) warnings: Vec<String>,
    /// Whether its steps are captured as CUDA graphs.
    pub(super) graphs: GraphMode,
}

/// The model that the arguments select, before it is loaded.
#[derive(Debug)]
pub(super) struct ModelChoice {
    /// The device.
    pub(super) device: Device,
    /// How it is computed, as far as the arguments say it.
    pub(super) choice: ArithmeticChoice,
    /// The weights.
    pub(super) weights: WeightsSource,
    /// What the arguments say about the weights.
    pub(super) options: LoadOptions,
}

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
    /// What computes CLIP's image towers: auto, native or libtorch.
    ///
    /// native is code of this program, on a processor in fp32, for vision transformers and the embedded model. auto takes what
    /// was measured to be faster when such a transformer was first loaded on this machine (`clipdraw --version` shows it). The
    /// last digits of a drawing depend on it.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    backend: BackendChoice,
    #[command(flatten)]
    weights: WeightsChoice,
    /// Activation function of CLIP weights from a file. Default: that of the file or of a configuration
    /// next to it, else quick-gelu.
    ///
    /// Only needed for a file without a configuration: gelu for laion2B, DataComp and CommonPool; quick-gelu for
    /// OpenAI, MetaCLIP and most DFN models.
    #[arg(long, value_name = "NAME", env = environment::ACTIVATION)]
    activation: Option<ActivationChoice>,
    /// Prefix of the tensors to read from CLIP weights with several models, for example `state_dict_ema`. Default: all
    /// tensors.
    ///
    /// Only needed for a file that also has other weights, such as a moving average (EMA). `.` is the model without a
    /// prefix.
    #[arg(long, value_name = "PREFIX", env = environment::TENSORS)]
    tensors: Option<String>,
    /// CUDA graphs: auto captures the steps of drawings that stay together, so that a GPU does not wait for the processor;
    /// off starts each operation by itself. It changes the speed, not the drawing.
    #[arg(long, value_name = "MODE", default_value = "auto")]
    cuda_graphs: GraphMode,
    /// Number of threads. Default: one per core. It changes the speed, not the drawing.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// The activation functions that a model may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ActivationChoice {
    /// The one of OpenAI's models.
    QuickGelu,
    /// The exact one.
    Gelu,
}

impl From<ActivationChoice> for Activation {
    fn from(choice: ActivationChoice) -> Self {
        match choice {
            ActivationChoice::QuickGelu => Self::QuickGelu,
            ActivationChoice::Gelu => Self::Gelu,
        }
    }
}

/// What may compute image towers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendChoice {
    /// The faster one.
    Auto,
    /// The program's own passes.
    Native,
    /// libtorch.
    Libtorch,
}

impl BackendChoice {
    /// The backend, unless it is left open.
    fn chosen(self) -> Option<TowerBackend> {
        match self {
            Self::Auto => None,
            Self::Native => Some(TowerBackend::Native),
            Self::Libtorch => Some(TowerBackend::Libtorch),
        }
    }
}

#[derive(Debug, Clone, Args)]
struct WeightsChoice {
    /// CLIP weights: a name from `clipdraw weights list`, a file, or a folder with one.
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
        library::check_version()?;
        self.device.resolve().context("--device")?;
        self.weights.resolve().context("--weights")?;
        Ok(())
    }

    /// Finds the device and the weights, for a caller that loads the model itself.
    ///
    /// # Errors
    /// If the device or the weights are unknown or not on this machine, or libtorch has another version.
    pub(super) fn choose_model(&self) -> anyhow::Result<ModelChoice> {
        library::check_version()?;
        let device = self.device.resolve()?;
        Ok(ModelChoice {
            device,
            choice: ArithmeticChoice {
                precision: self.precision,
                backend: self.backend.chosen(),
            },
            weights: self.weights.resolve()?,
            options: LoadOptions {
                activation: self.activation.map(Into::into),
                // An empty value counts as unset, as below.
                tensors: self.tensors.clone().filter(|prefix| !prefix.is_empty()),
            },
        })
    }

    /// Loads the model. It can be loaded again, after a fault.
    ///
    /// # Errors
    /// If there is no such device, or the weights cannot be read.
    pub(super) fn load_model(&self) -> anyhow::Result<LoadedModel> {
        let ModelChoice {
            device,
            choice,
            weights,
            options,
        } = self.choose_model()?;
        // Both read the whole file, and each keeps one core busy.
        let (clip, checksum) = thread::scope(|scope| {
            let checksum = scope.spawn(|| checksum(&weights));
            let clip = if device == Device::Cpu {
                measured_arithmetic::load(&weights, &options, choice)
            } else {
                Clip::load_with(&weights, device, choice.unmeasured(), &options)
            };
            (clip, checksum.join())
        });
        let checksum = checksum.unwrap_or_else(|panic| resume_unwind(panic));
        let (clip, checksum) = (clip?, checksum?);
        check_backend(&clip, choice)?;
        let mut warnings = self.weights.warnings(&weights);
        warnings.extend(assumption(&clip, &weights));
        let provenance = Provenance {
            model: clip.name(),
            weights_sha256: checksum,
            tensors: options
                .tensors
                .filter(|_| weights != WeightsSource::Embedded),
            activation: self
                .activation
                .filter(|_| weights != WeightsSource::Embedded)
                .and_then(|activation| activation.to_possible_value())
                .map(|activation| activation.get_name().to_owned()),
            device: device_names(&[device]),
            precision: clip.precision().to_string(),
            backend: Some(clip.arithmetic().backend.to_string()),
        };
        Ok(LoadedModel {
            clip,
            provenance,
            warnings,
            graphs: self.cuda_graphs,
        })
    }
}

/// Checks that a model is computed by what the caller named.
fn check_backend(clip: &Clip, choice: ArithmeticChoice) -> anyhow::Result<()> {
    let backend = clip.arithmetic().backend;
    match choice.backend {
        Some(wanted) if wanted != backend => anyhow::bail!(
            "--backend {wanted}: {} on {} in {} can only be computed by {backend}",
            clip.name(),
            device_names(&[clip.device()]),
            clip.precision(),
        ),
        _ => Ok(()),
    }
}

/// The SHA-256 of the weights, 64 lower-case hexadecimal digits.
fn checksum(weights: &WeightsSource) -> anyhow::Result<String> {
    match weights {
        WeightsSource::Embedded => Ok(EMBEDDED_SHA256.to_owned()),
        WeightsSource::File(path) => sha256_of_files(&weights_files(path)?)
            .with_context(|| format!("{} cannot be read", path.display())),
    }
}

impl WeightsChoice {
    fn resolve(&self) -> Result<WeightsSource, StoreError> {
        choose(self.requested(), &self.folder.folders())
    }

    /// Warnings about files that were skipped when `chosen` was found.
    fn warnings(&self, chosen: &WeightsSource) -> Vec<String> {
        if self.requested().is_some() {
            return Vec::new();
        }
        let errors = passed_over(chosen, &self.folder.folders());
        errors.iter().map(|error| chain(error)).collect()
    }

    fn requested(&self) -> Option<&str> {
        // An empty value counts as unset: Compose and CI files set unused variables to it.
        self.weights.as_deref().filter(|name| !name.is_empty())
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

/// A warning about an activation function that is not stated. Published weights get none, because theirs is
/// known.
fn assumption(clip: &Clip, weights: &WeightsSource) -> Option<String> {
    let WeightsSource::File(path) = weights else {
        return None;
    };
    if !clip.activation_is_assumed() || registry::is_named_after_published(path) {
        return None;
    }
    Some(format!(
        "{} does not state its activation function, so quick-gelu is assumed, as in the models of OpenAI and MetaCLIP \
         and most DFN models; models of laion2B, DataComp and CommonPool need --activation gelu",
        path.display()
    ))
}
