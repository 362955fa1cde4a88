//! Runs the groups of checks.

use std::thread;

use tch::Device;

use super::recorder::Recorder;
use super::report::{Machine, Report};
use super::settings::{CheckSettings, Group};
use super::{clip, drawing, renderer, speed};
use crate::clip::WeightsSource;
use crate::compute::cuda::{self, CudaDevice};
use crate::compute::{Precision, device_names, library};

/// Runs the chosen checks. `observer` sees the report after each of them, so that nothing is lost if a later one ends the
/// process.
pub fn run(settings: &CheckSettings, observer: &mut dyn FnMut(&Report)) -> Report {
    let mut recorder = Recorder::new(empty(settings), observer);
    for group in &settings.groups {
        recorder.enter(*group);
        match group {
            Group::Renderer => renderer::check(settings, &mut recorder),
            Group::Clip => clip::check(settings, &mut recorder),
            Group::Drawing => drawing::check(settings, &mut recorder),
            Group::Speed => speed::check(settings, &mut recorder),
        }
    }
    recorder.into_report()
}

/// The report of what will be checked, without findings.
fn empty(settings: &CheckSettings) -> Report {
    let device = settings.device;
    Report {
        machine: machine(device),
        weights: match &settings.weights {
            WeightsSource::Embedded => "embedded".to_owned(),
            WeightsSource::File(path) => path.display().to_string(),
        },
        precision: settings.precision.to_string(),
        auto_precision: Precision::describe_auto(device),
        steps: settings.steps,
        seed: settings.seed,
        findings: Vec::new(),
    }
}

fn machine(device: Device) -> Machine {
    let properties = match device {
        Device::Cuda(index) => CudaDevice::open(index)
            .and_then(|device| device.properties())
            .ok(),
        _ => None,
    };
    Machine {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: library::describe(),
        cuda: cuda::describe(),
        device: device_names(&[device]),
        properties,
        cores: thread::available_parallelism().map_or(1, usize::from),
    }
}
