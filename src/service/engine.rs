//! What draws: CLIP, or a stand-in that tests the service without it.

use std::error::Error;

use crate::clip::Clip;
use crate::draw::{DrawError, Drawing, Progress, Spec, step};
use crate::output::Provenance;

/// Draws for the worker thread, several drawings at once. It lives on that thread from its loading
/// to its end, so it needs to be neither `Send` nor `Sync`.
pub trait Engine {
    /// A drawing in the making. A copy is what the worker goes back to when a step shared by
    /// several drawings fails.
    type Drawing: Clone;

    /// What is written into every file about the provenance of it.
    fn provenance(&self) -> &Provenance;

    /// Begins a drawing.
    ///
    /// # Errors
    /// When its prompts cannot be encoded.
    fn start(&self, spec: &Spec) -> Result<Self::Drawing, DrawError>;

    /// Moves every drawing by one step; see [`step`].
    fn advance(&self, drawings: &mut [&mut Self::Drawing]) -> Vec<Result<Progress, DrawError>>;

    /// Whether it still works; asked after it has failed.
    ///
    /// # Errors
    /// When it does not.
    fn check(&self) -> Result<(), Box<dyn Error>>;
}

/// CLIP on its device.
#[derive(Debug)]
pub struct ClipEngine {
    clip: Clip,
    provenance: Provenance,
}

impl ClipEngine {
    /// Takes over a loaded model.
    pub fn new(clip: Clip, provenance: Provenance) -> Self {
        Self { clip, provenance }
    }
}

impl Engine for ClipEngine {
    type Drawing = Drawing;

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn start(&self, spec: &Spec) -> Result<Drawing, DrawError> {
        Drawing::start(&self.clip, spec.clone())
    }

    fn advance(&self, drawings: &mut [&mut Drawing]) -> Vec<Result<Progress, DrawError>> {
        step(&self.clip, drawings)
    }

    fn check(&self) -> Result<(), Box<dyn Error>> {
        // The embedding travels back from the device, so a broken device shows.
        let embedding = self.clip.embed_text("a drawing")?;
        Vec::<f32>::try_from(&embedding.to_device(tch::Device::Cpu))?;
        Ok(())
    }
}
