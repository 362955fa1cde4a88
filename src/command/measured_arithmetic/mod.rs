//! How transformers are computed on a processor if the caller leaves it open: by the program's own passes, or by libtorch in
//! fp32 or bf16 where a measurement shows that it is faster and exact enough.
//!
//! What is compared is a pass of the default number of views as a drawing would make it on this machine: the own passes share
//! all threads, while libtorch encodes each pair of views on one thread, so that more than two cores would be idle. Which
//! one is faster depends on the processor: libtorch's products are made for Intel's, and few have instructions for bf16.
//!
//! A model is measured once, when it is loaded for the first time. The result is kept in the user's cache folder, so that
//! the same machine always computes alike, and the same seed gives the same bytes.

mod choice;
mod trial;
mod measurement;

use tch::Device;

use self::measurement::{Measurement, Measurements};
use self::trial::Trial;
use crate::clip::{
    Arithmetic, Clip, ClipConfig, ClipError, ImageConfig, LoadOptions, TowerBackend, WeightsSource,
};
use crate::compute::{Precision, processor};
use crate::errors::chain;

pub(super) use self::choice::ArithmeticChoice;

/// The width of the smallest transformers that are measured, that of CLIP's smallest one. Products of smaller matrices
/// gain nothing.
const MIN_WIDTH: i64 = 512;

/// The ways to compute a model that a measurement compares; the first is the reference. There are none if it would not gain.
fn candidates(config: &ClipConfig, has_bf16: bool) -> Vec<Arithmetic> {
    let is_large =
        matches!(&config.image, ImageConfig::Transformer(size) if size.width >= MIN_WIDTH);
    if !is_large {
        return Vec::new();
    }
    let fp32 = |backend| Arithmetic {
        precision: Precision::Fp32,
        backend,
    };
    let bf16 = Arithmetic {
        precision: Precision::Bf16,
        backend: TowerBackend::Libtorch,
    };
    let all = [
        (true, fp32(TowerBackend::Native)),
        (true, fp32(TowerBackend::Libtorch)),
        (has_bf16, bf16),
    ];
    let possible = all.into_iter().filter(|(is_possible, arithmetic)| {
        let kind = arithmetic
            .precision
            .kind(Device::Cpu, config.image.tower_kind());
        *is_possible && arithmetic.backend.computes(config, Device::Cpu, kind)
    });
    possible.map(|(_, arithmetic)| arithmetic).collect()
}

/// The measurements of this machine, one line each.
pub(super) fn describe() -> Vec<String> {
    let all = Measurements::of_user().into_all().into_iter();
    all.filter(Measurement::is_current)
        .map(|measurement| measurement.to_string())
        .collect()
}

/// Loads a model on the processor, to be computed in the way that suits it and that the caller allows, and measures that before
/// if it is not known.
///
/// # Errors
/// As [`Clip::load_with`].
pub(super) fn load(
    weights: &WeightsSource,
    options: &LoadOptions,
    choice: ArithmeticChoice,
) -> Result<Clip, ClipError> {
    let mut measurements = Measurements::of_user();
    let mut unknown = Vec::new();
    let clip = Clip::load_choosing(weights, Device::Cpu, options, |config| {
        let all = candidates(config, processor::has_bf16());
        let allowed = all.iter().filter(|candidate| choice.allows(**candidate));
        if allowed.count() < 2 {
            return choice.unmeasured();
        }
        let known = measurements.find(&config.name(), &all);
        if let Some(best) = known.and_then(|known| known.best(choice)) {
            return best;
        }
        let reference = all[0];
        unknown = all;
        reference
    })?;
    if unknown.is_empty() {
        return Ok(clip);
    }
    tracing::info!(
        model = clip.name(),
        "measuring once how this processor computes it fastest"
    );
    let load = |arithmetic| Clip::load_with(weights, Device::Cpu, arithmetic, options);
    let (measurement, last) = measure(&clip, &unknown[1..], load)?;
    tracing::info!("measured {measurement}");
    let best = measurement.best(choice).unwrap_or(unknown[0]);
    if let Err(error) = measurements.add(measurement) {
        tracing::warn!(
            error = chain(error.as_ref()),
            "this is measured again at the next start, and the result may be another one then; --precision with --backend \
             decides it"
        );
    }
    let mut loaded = [Some(clip), last].into_iter().flatten();
    match loaded.find(|clip| clip.arithmetic() == best) {
        Some(clip) => Ok(clip),
        None => load(best),
    }
}

/// Measures a model that is computed in these ways beside the reference. Also gives the last copy of it that was loaded. At most
/// two copies are in memory at a time.
fn measure(
    reference: &Clip,
    others: &[Arithmetic],
    load: impl Fn(Arithmetic) -> Result<Clip, ClipError>,
) -> Result<(Measurement, Option<Clip>), ClipError> {
    let mut measurement = Measurement::new(reference);
    let mut last = None;
    for arithmetic in others {
        drop(last.take());
        let clip = load(*arithmetic)?;
        measurement.add(*arithmetic, &Trial::new(reference, &clip)?);
        last = Some(clip);
    }
    Ok((measurement, last))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn arithmetic(precision: Precision, backend: TowerBackend) -> Arithmetic {
        Arithmetic { precision, backend }
    }

    #[test]
    fn large_transformers_are_computed_in_every_way_that_the_processor_has() {
        let native = arithmetic(Precision::Fp32, TowerBackend::Native);
        let libtorch = arithmetic(Precision::Fp32, TowerBackend::Libtorch);
        let bf16 = arithmetic(Precision::Bf16, TowerBackend::Libtorch);
        let large = ClipConfig::preset("ViT-B/32").unwrap();
        assert_eq!(candidates(&large, true), [native, libtorch, bf16]);
        assert_eq!(candidates(&large, false), [native, libtorch]);
        let others = [
            ClipConfig::tiny_transformer(),
            ClipConfig::tiny_efficient_net(),
            ClipConfig::preset("RN50").unwrap(),
        ];
        for config in others {
            assert_eq!(candidates(&config, true), []);
        }
    }

    #[test]
    fn every_way_is_measured_beside_the_reference() {
        let load = |Arithmetic { precision, backend }: Arithmetic| {
            let config = ClipConfig::tiny_transformer();
            let kind = precision.kind(Device::Cpu, config.image.tower_kind());
            Clip::random_on(config, 1, Device::Cpu, kind, backend)
        };
        let native = arithmetic(Precision::Fp32, TowerBackend::Native);
        let libtorch = arithmetic(Precision::Fp32, TowerBackend::Libtorch);
        let bf16 = arithmetic(Precision::Bf16, TowerBackend::Libtorch);
        let reference = load(native).unwrap();
        assert_eq!(reference.arithmetic(), native);
        let (measurement, last) = measure(&reference, &[libtorch, bf16], load).unwrap();
        assert_eq!(measurement.ways(), [native, libtorch, bf16]);
        let last = last.unwrap();
        assert_eq!(last.kind(), Kind::BFloat16);
        assert_eq!(last.arithmetic(), bf16);
        let choice = ArithmeticChoice {
            precision: Precision::Fp32,
            backend: Some(TowerBackend::Libtorch),
        };
        assert_eq!(measurement.best(choice), Some(libtorch));
    }
}
