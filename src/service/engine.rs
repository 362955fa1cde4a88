//! The interface of the engine that draws: CLIP, or a fake in tests of the service.

use tch::Device;
use tracing::{info, warn};

use super::fault::EngineError;
use crate::clip::{CONTEXT, Clip};
use crate::compute::cuda::{self, CudaDevice};
use crate::compute::{Precision, accelerator};
use crate::draw::{DrawError, Drawing, Spec, Step, step_together};
use crate::errors::chain;
use crate::output::Provenance;
use crate::render::{Renderer, renderer_for};

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

    /// Moves every drawing by one step and returns one result for each, in their order; see
    /// [`step_together`].
    fn step(&self, drawings: &mut [&mut Self::Drawing]) -> Vec<Result<Step, DrawError>>;

    /// Checks whether the engine still works after a failure.
    ///
    /// # Errors
    /// When it no longer works.
    fn check(&self) -> Result<(), EngineError>;
}

/// CLIP and the renderer on their device; both stay loaded from drawing to drawing.
#[derive(Debug)]
pub struct ClipEngine {
    clip: Clip,
    renderer: Box<dyn Renderer>,
    provenance: Provenance,
}

impl ClipEngine {
    /// An engine with a loaded model. If it is on a CUDA device, a log line describes the device.
    pub fn new(clip: Clip, provenance: Provenance) -> Self {
        if let Device::Cuda(index) = clip.device() {
            log_device(index, clip.precision());
        }
        Self {
            renderer: renderer_for(clip.device()),
            clip,
            provenance,
        }
    }
}

/// Logs what operators need to know of a CUDA device.
fn log_device(index: usize, precision: Precision) {
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
        self.clip.token_limit()
    }

    fn start(&self, spec: &Spec) -> Result<Drawing, DrawError> {
        Drawing::start(&self.clip, spec.clone())
    }

    fn step(&self, drawings: &mut [&mut Drawing]) -> Vec<Result<Step, DrawError>> {
        step_together(&self.clip, &*self.renderer, drawings)
    }

    fn check(&self) -> Result<(), EngineError> {
        // What failed may have wanted memory that libtorch keeps for later.
        if self.clip.device().is_cuda() {
            accelerator::empty_cache().map_err(EngineError::new)?;
        }
        // The embedding is copied back from the device, so a broken device is noticed.
        let embedding = self
            .clip
            .embed_text("a drawing")
            .map_err(EngineError::new)?;
        Vec::<f32>::try_from(&embedding.to_device(Device::Cpu)).map_err(EngineError::new)?;
        Ok(())
    }
}
