//! The interface of the engine that draws: CLIP, or a fake in tests of the service.

use std::time::Instant;

use tch::Device;
use tracing::{info, warn};

use super::fault::EngineError;
use super::gpu::Gpu;
use crate::clip::{CONTEXT, Clip};
use crate::compute::cuda::{self, CudaDevice};
use crate::compute::graph::GraphMode;
use crate::compute::{Precision, accelerator};
use crate::draw::{Advance, DrawError, Drawing, Spec, Stepper};
use crate::errors::chain;
use crate::output::Provenance;

/// Draws for the worker thread, several drawings at once. It stays on that thread, so it needs to
/// be neither `Send` nor `Sync`.
pub trait Engine {
    /// An unfinished drawing. The worker keeps a copy to return to when a step shared by several
    /// drawings fails.
    type Drawing: Clone;

    /// The provenance that is written into every file.
    fn provenance(&self) -> &Provenance;

    /// The maximum number of tokens of a prompt, including the start and end tokens.
    fn token_limit(&self) -> usize {
        CONTEXT as usize
    }

    /// Begins a drawing.
    ///
    /// # Errors
    /// When its prompts cannot be encoded.
    fn start(&self, spec: &Spec) -> Result<Self::Drawing, DrawError>;

    /// Begins `count` drawings, with the seed of the plan and the following ones.
    ///
    /// # Errors
    /// When their prompts cannot be encoded.
    fn start_several(&self, spec: &Spec, count: usize) -> Result<Vec<Self::Drawing>, DrawError> {
        let specs = (0..count as u64).map(|index| Spec {
            seed: spec.seed + index,
            ..spec.clone()
        });
        specs.map(|spec| self.start(&spec)).collect()
    }

    /// Moves every drawing by one or a few steps and returns one result for each, in their order; see
    /// [`Stepper::advance`].
    fn advance(&self, drawings: &mut [&mut Self::Drawing]) -> Vec<Advance>;

    /// Whether there is enough memory for `count` other drawings of a plan beside those that are being drawn.
    fn has_memory_for(&self, _spec: &Spec, _count: usize) -> bool {
        true
    }

    /// Checks whether the engine still works after a failure.
    ///
    /// # Errors
    /// When it no longer works.
    fn check(&self) -> Result<(), EngineError>;
}

/// CLIP and the renderer on their device; both stay loaded from drawing to drawing.
#[derive(Debug)]
pub struct ClipEngine {
    stepper: Stepper<Clip>,
    provenance: Provenance,
    gpu: Option<Gpu>,
}

impl ClipEngine {
    /// An engine with a loaded model, for the thread that calls this. If the model is on a CUDA device, it is warmed up, and
    /// a log line describes the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(clip: Clip, provenance: Provenance, graphs: GraphMode) -> Result<Self, EngineError> {
        let stepper = Stepper::new(clip, graphs).map_err(EngineError::new)?;
        let gpu = match stepper.clip().device() {
            Device::Cuda(index) => {
                log_device(index, stepper.clip().precision(), stepper.uses_graphs());
                Some(Gpu::new(index, stepper.clip())?)
            }
            _ => None,
        };
        Ok(Self {
            stepper,
            provenance,
            gpu,
        })
    }
}

/// Logs what operators need to know of a CUDA device.
fn log_device(index: usize, precision: Precision, uses_graphs: bool) {
    let found = CudaDevice::open(index)
        .and_then(|device| Ok((device.properties()?, device.architecture()?)));
    match found {
        Ok((properties, architecture)) => {
            info!(
                name = properties.name,
                compute_capability = properties.compute_capability,
                memory_bytes = properties.memory_bytes,
                free_bytes = properties.free_bytes,
                %precision,
                steps = if uses_graphs { "CUDA graphs" } else { "one operation after the other" },
                "drawing on {}",
                cuda::describe()
            );
            if precision == Precision::Bf16 && !architecture.has_bf16() {
                warn!("this GPU only emulates bf16, which is slow; fp16 is faster");
            }
        }
        Err(error) => warn!(
            error = chain(&error),
            "the properties of the GPU are unknown"
        ),
    }
}

impl Engine for ClipEngine {
    type Drawing = Drawing;

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn token_limit(&self) -> usize {
        self.stepper.clip().token_limit()
    }

    fn start(&self, spec: &Spec) -> Result<Drawing, DrawError> {
        Drawing::start(self.stepper.clip(), spec.clone())
    }

    fn start_several(&self, spec: &Spec, count: usize) -> Result<Vec<Drawing>, DrawError> {
        Drawing::start_several(self.stepper.clip(), spec.clone(), count)
    }

    fn advance(&self, drawings: &mut [&mut Drawing]) -> Vec<Advance> {
        let began = Instant::now();
        let advances = self.stepper.advance(drawings);
        if let Some(gpu) = &self.gpu {
            let steps = advances.iter().map(|advance| advance.steps.len()).sum();
            gpu.measure(steps, began.elapsed());
        }
        advances
    }

    fn has_memory_for(&self, spec: &Spec, count: usize) -> bool {
        let (Some(gpu), Some(own)) = (&self.gpu, self.stepper.memory_of(spec)) else {
            return true;
        };
        gpu.has_memory_for(own * count as u64, spec.views * count)
    }

    fn check(&self) -> Result<(), EngineError> {
        let clip = self.stepper.clip();
        // What failed may have wanted memory that libtorch keeps for later.
        if clip.device().is_cuda() {
            accelerator::empty_cache().map_err(EngineError::new)?;
        }
        // The embedding is copied back from the device, so a broken device is noticed.
        let embedding = clip.embed_text("a drawing").map_err(EngineError::new)?;
        Vec::<f32>::try_from(&embedding.to_device(Device::Cpu)).map_err(EngineError::new)?;
        Ok(())
    }
}
