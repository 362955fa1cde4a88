//! From flags to a loaded model.

use anyhow::Context;

use super::compute_arguments::ComputeArguments;
use crate::clip::{Clip, EMBEDDED_SHA256, WeightsSource};
use crate::compute::{device_names, library};
use crate::model_store::checksum;
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

/// Loads the model that the flags and the environment choose, which can be done again.
///
/// # Errors
/// When there is no such device, or the weights cannot be read.
pub fn load(arguments: &ComputeArguments) -> anyhow::Result<(Clip, Provenance)> {
    let device = arguments.device.resolve()?;
    let weights = arguments.weights.resolve()?;
    let clip = Clip::load(&weights, device, arguments.precision.kind(device))?;
    let checksum = match &weights {
        WeightsSource::Embedded => EMBEDDED_SHA256.to_owned(),
        WeightsSource::File(path) => {
            checksum::of_file(path).with_context(|| format!("{} cannot be read", path.display()))?
        }
    };
    let provenance = Provenance {
        model: clip.name(),
        weights_sha256: checksum,
        device: device_names(&[device]),
        precision: arguments.precision.resolved(device).to_string(),
    };
    Ok((clip, provenance))
}
