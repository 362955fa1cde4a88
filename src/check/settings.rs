//! What is checked.

use std::fmt;

use serde::Serialize;
use tch::Device;

use crate::clip::{Arithmetic, Clip, ClipError, LoadOptions, TowerBackend, WeightsSource};
use crate::compute::Precision;
use crate::draw::Spec;

/// What the drawings of the checks show.
pub(super) const PROMPT: &str = "a lighthouse at night";

/// What is checked, and with what.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// The device to check. If it is the processor, the processor is compared with itself.
    pub device: Device,
    /// The precision of CLIP in the groups `drawing` and `speed`.
    pub precision: Precision,
    /// What computes the image towers on the device that is checked.
    pub backend: TowerBackend,
    /// The weights of CLIP.
    pub weights: WeightsSource,
    /// Facts about the weights that their files may not state.
    pub options: LoadOptions,
    /// The number of steps of a drawing, at least 1.
    pub steps: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// The groups to run, in this order.
    pub groups: Vec<Group>,
}

/// Checks that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Strokes to views and back, against the renderer on the processor.
    Renderer,
    /// CLIP's gradients in each precision, against CLIP on the processor in fp32.
    Clip,
    /// Whole drawings: the same bytes again, a loss that falls, numbers that are not finite.
    Drawing,
    /// Milliseconds a step.
    Speed,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 4] = [Self::Renderer, Self::Clip, Self::Drawing, Self::Speed];
}

impl fmt::Display for Group {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Renderer => "renderer",
            Self::Clip => "clip",
            Self::Drawing => "drawing",
            Self::Speed => "speed",
        })
    }
}

impl CheckSettings {
    /// Loads CLIP onto a device.
    pub(super) fn load(
        &self,
        device: Device,
        arithmetic: impl Into<Arithmetic>,
    ) -> Result<Clip, ClipError> {
        Clip::load_with(&self.weights, device, arithmetic, &self.options)
    }

    /// Loads CLIP onto the device that is checked.
    pub(super) fn load_checked(&self, precision: Precision) -> Result<Clip, ClipError> {
        let backend = self.backend;
        self.load(self.device, Arithmetic { precision, backend })
    }

    /// The plan of a drawing of some steps; `index` tells drawings of one check apart.
    pub(super) fn spec(&self, steps: usize, index: usize) -> Spec {
        Spec {
            steps,
            seed: self.seed.wrapping_add(index as u64),
            ..Spec::prompt(PROMPT)
        }
    }
}
