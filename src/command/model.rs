//! From flags to a loaded model.

use anyhow::Context;

use super::compute_arguments::ComputeArguments;
use crate::clip::{Clip, EMBEDDED_SHA256, LoadOptions, WeightsSource, weights_files};
use crate::compute::{device, library};
use crate::model_store::{checksum, registry};
use crate::output::Provenance;

/// Sets the threads to compute with, once for the whole process.
///
/// # Errors
/// When they have been set or used before.
pub fn set_threads(arguments: &ComputeArguments) -> anyhow::Result<()> {
    if let Some(threads) = arguments.threads {
        library::set_threads(threads.into());
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("--threads")?;
    }
    Ok(())
}

/// A model that is ready to draw.
#[derive(Debug)]
pub struct LoadedModel {
    /// The model.
    pub clip: Clip,
    /// What is written into files about it.
    pub provenance: Provenance,
    /// What a person should know of how it was chosen and read, one line each.
    pub warnings: Vec<String>,
}

/// Loads the model that the flags and the environment choose, which can be done again.
///
/// # Errors
/// When there is no such device, or the weights cannot be read.
pub fn load(arguments: &ComputeArguments) -> anyhow::Result<LoadedModel> {
    let device = arguments.device.resolve()?;
    let weights = arguments.weights.resolve()?;
    let options = LoadOptions {
        activation: arguments.activation.map(Into::into),
    };
    let kind = arguments.precision.kind(device);
    let clip = Clip::load_with(&weights, device, kind, options)?;
    let mut warnings = arguments.weights.warnings(&weights);
    warnings.extend(assumption(&clip, &weights));
    let checksum = match &weights {
        WeightsSource::Embedded => EMBEDDED_SHA256.to_owned(),
        WeightsSource::File(path) => checksum::of_files(&weights_files(path)?)
            .with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let provenance = Provenance {
        model: clip.name(),
        weights_sha256: checksum,
        device: device::names(&[device]),
        precision: arguments.precision.resolved(device).to_string(),
    };
    Ok(LoadedModel {
        clip,
        provenance,
        warnings,
    })
}

/// A line about an activation that nothing states, unless the weights are published ones, whose activation is known.
fn assumption(clip: &Clip, weights: &WeightsSource) -> Option<String> {
    let WeightsSource::File(path) = weights else {
        return None;
    };
    if !clip.activation_is_assumed() || registry::is_named_after_published(path) {
        return None;
    }
    Some(format!(
        "{} does not say which activation it has, so quick-gelu is assumed, as in the models of OpenAI, MetaCLIP and most \
         of DFN; models of laion2B, DataComp and CommonPool need --activation gelu",
        path.display()
    ))
}
